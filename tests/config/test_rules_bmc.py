"""BMC networks in the stack file: what is refused, where, why, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.stack_file import parse
from tests.config.test_rules import Cluster, findings, put
from tests.stacks import cluster_of

NETWORK, INSIDE = "203.0.113.0/24", ["203.0.113.31", "203.0.113.32"]


@pytest.fixture
def dev(tmp_path: Path) -> Cluster:
    """The dev stack, whose racks have a second address each in the BMCs' network."""
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    for name, address in zip(("rack1", "rack2"), INSIDE, strict=True):
        put(cluster, f"hosts.{name}.also", [address])
    return cluster


def bmc(*racks: str, subnet: str = NETWORK) -> dict[str, object]:
    return {"subnet": subnet, "racks": list(racks)}


def test_two_racks_pass(dev: Cluster) -> None:
    put(dev, "bmc", [bmc("rack1", "rack2"), bmc("rack1", "rack2", subnet="198.51.100.0/24")])
    assert [str(entry.subnet) for entry in parse(dev, Path("/")).topology.bmc] == [NETWORK, "198.51.100.0/24"]


@pytest.mark.parametrize("racks", [[], ["rack1"], ["rack1", "rack1"]])
def test_one_rack_is_not_enough(dev: Cluster, racks: list[str]) -> None:
    put(dev, "bmc", [bmc(*racks)])
    said = findings(dev)["bmc[0].racks"]
    assert f"fewer than two racks reach {NETWORK}, so power there ends with one rack (maas-facts §12.8)" in said
    assert "name a second rack with an address in it" in said


def test_one_rack_without_a_bmc_network_is_fine(dev: Cluster) -> None:
    put(dev, "dhcp", [])
    put(dev, "racks", ["rack1"])
    hosts = dev["hosts"]
    assert isinstance(hosts, dict)
    del hosts["rack2"]
    assert parse(dev, Path("/")).topology.bmc == ()


@pytest.mark.parametrize(
    ("entries", "where", "says"),
    [
        ([bmc("rack1", "region1")], "bmc[0].racks[1]", "'region1' is no rack; name one of rack1, rack2"),
        ([bmc("rack1", "rack2", "rack1")], "bmc[0].racks[2]", "'rack1' is named twice"),
        ([bmc("rack1", "rack2", subnet="203.0.113.0/27")], "bmc[0].racks[1]", "rack2 has no address in 203.0.113.0/27"),
        ([bmc("rack1", "rack2", subnet="2001:db8::/64")], "bmc[0].racks[0]", "name it under hosts.rack1.also"),
        ([bmc("rack1", "rack2"), bmc("rack1", "rack2")], "bmc[1].subnet", "name each subnet once"),
        ([bmc("rack1", "rack2"), bmc(subnet="203.0.112.0/23")], "bmc[1].subnet", f"overlaps {NETWORK}"),
        ([bmc("rack1", "rack2", subnet="203.0.113.5/24")], "bmc[0].subnet", "is no network"),
        ([{"subnet": NETWORK}], "bmc[0].racks", "is missing"),
    ],
)
def test_a_rule_fails_by_path(dev: Cluster, entries: list[object], where: str, says: str) -> None:
    put(dev, "bmc", entries)
    found = findings(dev)
    assert says in found.get(where, ""), found
