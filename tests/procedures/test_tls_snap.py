"""TLS by MAAS from a snap, whose confinement reads no file of the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.engine.deployment import Cluster, Deployment
from tests.procedures.over_tls import address, authority, certificate, get, starts, tls, without_tls
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab


def small(cluster: Cluster) -> None:
    cast("dict[str, object]", cluster["maas"]).update(packaging="snap", tls={})
    cluster["regions"] = {"region1": {"workers": 2}}
    cluster["racks"] = ["rack1"]
    cluster["dhcp"] = []


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    hosts = {"db1": 11, "region1": 21, "rack1": 31, "lb1": 41}
    with scenario(tmp_path_factory.mktemp("tls"), "tls", hosts, change=small) as made:
        made.up()
        yield made


def test_begun_renewed_ended(deployed: Deployment) -> None:
    ca, region = authority(deployed), address(deployed, "region1")
    for place in (address(deployed, "lb1"), f"{region}:5443"):
        assert get(f"https://{place}/MAAS/api/2.0/version/", ca).status == 200
    before, serial = starts(deployed), certificate(region, 5443, ca)["serialNumber"]
    assert "maas-ha" not in deployed.lab.exec("region1", "ls", "/var/snap/maas/common").stdout.split()
    deployed.edit(lambda cluster: tls(cluster).update(names=["maas.example.com"]))
    deployed.up()
    assert certificate(region, 5443, ca)["serialNumber"] != serial
    assert starts(deployed) == before
    deployed.edit(without_tls)
    deployed.up()
    assert get(f"http://{region}:5240/MAAS/api/2.0/version/").status == 200
    assert starts(deployed) == before
