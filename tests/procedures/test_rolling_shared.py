"""Three regions behind two balancers that share an address are all restarted: no request fails, DHCP goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

import pytest

from tests.engine.deployment import Cluster
from tests.procedures.rolling import add_clients, assert_whole, in_order, load, moments, watched_up
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "region3": 23, "rack1": 31, "rack2": 32, "lb1": 41, "lb2": 42}
REGIONS = ("region1", "region2", "region3")
BALANCERS = ("lb1", "lb2")
RACKS = ("rack1", "rack2")
RESTART = {"deb": "restart maas-regiond.service", "snap": "maas config"}
"""What the agent tells of it: the snap's own command restarts everything in it."""
RACKD_LOG = {"deb": "/var/log/maas/rackd.log", "snap": "/var/snap/maas/common/log/rackd.log"}


@pytest.mark.parametrize("packaging", ["deb", "snap"])
def test_all_regions_are_restarted(packaging: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    def shared(cluster: Cluster) -> None:
        network = cast("dict[str, dict[str, str]]", cluster["hosts"])["db1"]["address"].rpartition(".")[0]
        cast("dict[str, object]", cluster["maas"])["packaging"] = packaging
        cluster["load_balancer"] = {"hosts": list(BALANCERS), "virtual_address": f"{network}.40/24"}
        workers(1, 2, 3)(cluster)

    folder = tmp_path_factory.mktemp(f"rolling-{packaging}")
    with scenario(folder, f"roll-{packaging}", HOSTS, change=shared) as made:
        lab = made.lab
        made.up()
        add_clients(lab)
        network = str(made.network.network_address).rpartition(".")[0]
        hosts = [f"{network}.40", *(str(lab.host(name).address) for name in BALANCERS)]
        before = {rack: lab.exec(rack, "cat", RACKD_LOG[packaging]).stdout for rack in RACKS}
        made.edit(workers(2, 3, 1))
        with load(made, hosts, at_least=2000):
            output = watched_up(made, "wait for requests in flight", BALANCERS, REGIONS)
        in_order(output, REGIONS, RESTART[packaging])
        assert "cut off" not in output
        if packaging == "deb":  # the snap's unit goes on while what is in it restarts
            times = [moments(lab, region) for region in REGIONS]
            assert all(back < stops for (_, back), (stops, _) in itertools.pairwise(times)), times
        for rack in RACKS:
            meanwhile = lab.exec(rack, "cat", RACKD_LOG[packaging]).stdout.removeprefix(before[rack])
            assert "Fully connected" in meanwhile
            assert "dhcpd" not in meanwhile, "DHCP was stopped or started"
        assert_whole(made, *BALANCERS)


def workers(*numbers: int) -> Callable[[Cluster], None]:
    """As many in all, whatever their order: PostgreSQL's budget of connections isn't touched."""

    def change(cluster: Cluster) -> None:
        cluster["regions"] = {name: {"workers": count} for name, count in zip(REGIONS, numbers, strict=True)}

    return change
