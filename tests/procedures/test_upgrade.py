"""MAAS 3.4 becomes 3.5 by its packages, in one update: racks, then regions, one migration, a dump before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.deployment import Deployment
from tests.engine.hosts import sql, unit_starts
from tests.engine.test_1_up import status
from tests.procedures.rolling import add_clients, assert_whole, moments
from tests.procedures.scenario import scenario
from tests.procedures.upgrade import DUMPS, dumps, entered, offer, versions, wants

pytestmark = pytest.mark.lab

REGIOND, RACKD = "maas-regiond.service", "maas-rackd.service"
CONTROLLERS = {
    "rack1": "maas-rack-controller",
    "rack2": "maas-rack-controller",
    "region1": "maas-region-api",
    "region2": "maas-region-api",
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("upgrade")
    with scenario(folder, "upgrade") as made:
        made.up()
        add_clients(made.lab)
        offer(made.lab, "3.5", folder)
        yield made


def test_an_upgrade(deployed: Deployment) -> None:
    lab = deployed.lab
    deployed.edit(lambda cluster: wants(cluster, "3.5"))
    print(deployed.up())
    assert versions(lab, CONTROLLERS) == dict.fromkeys(CONTROLLERS, "3.5")
    assert_whole(deployed, "lb1")
