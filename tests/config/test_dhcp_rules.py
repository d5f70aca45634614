"""Rules about DHCP, for both modes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from config.stack_file import parse
from tests.config.test_rules import Cluster, findings, put
from tests.stacks import HOST_KEY, cluster_of


@pytest.fixture
def isc(tmp_path: Path) -> Cluster:
    """The dev stack with a stand-alone pair for a network of its own."""
    known_hosts = tmp_path / "known_hosts"
    cluster = cluster_of("dev", known_hosts)
    hosts = cast("dict[str, dict[str, object]]", cluster["hosts"])
    for name, number in (("dhcp1", 51), ("dhcp2", 52)):
        hosts[name] = {"address": f"198.51.100.{number}", "also": [f"203.0.113.{number}"]}
        with known_hosts.open("a") as file:
            file.write(f"198.51.100.{number} {HOST_KEY}\n")
    pair = {
        "mode": "isc",
        "subnet": "203.0.113.0/24",
        "range": {"start": "203.0.113.100", "end": "203.0.113.199"},
        "primary": "dhcp1",
        "secondary": "dhcp2",
        "routers": ["203.0.113.1"],
        "dns_servers": ["203.0.113.53"],
        "next_server": "198.51.100.31",
    }
    return cluster | {"dhcp": [*cast("list[object]", cluster["dhcp"]), pair]}


def test_both_modes_in_one_cluster(isc: Cluster) -> None:
    assert parse(isc, Path("/")).topology.roles["dhcp1"] == ("DHCP",)


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("dhcp.1.primary", "dhcp9", "dhcp[1].primary", "there is no host 'dhcp9'"),
        ("dhcp.1.secondary", "dhcp1", "dhcp[1].secondary", "the same host, so nothing would take over"),
        ("dhcp.1.primary", "rack1", "dhcp[1].primary", "rack1 is a rack, whose own dhcpd wants the same port"),
        ("dhcp.1.primary", "db1", "dhcp[1].primary", "198.51.100.11 is not in 203.0.113.0/24"),
        ("dhcp.1.subnet", "198.51.100.0/24", "dhcp[1].subnet", "name each subnet once"),
        ("dhcp.1.range.end", "203.0.113.255", "dhcp[1].range", "which no machine can have"),
        ("dhcp.1.range.start", "203.0.113.52", "dhcp[1].range", "holds 203.0.113.52, the address of dhcp2"),
        ("dhcp.1.routers", ["198.51.100.1"], "dhcp[1].routers[0]", "is not in 203.0.113.0/24"),
        ("dhcp.1.routers", ["203.0.113.150"], "dhcp[1].routers[0]", "is in the dynamic range"),
        ("dhcp.1.dns_servers", ["203.0.113.150"], "dhcp[1].dns_servers[0]", "is in the dynamic range"),
        ("dhcp.1.next_server", "198.51.100.99", "dhcp[1].next_server", "name one of 198.51.100.31, 198.51.100.32"),
        ("dhcp.0.primary", "dhcp1", "dhcp[0].primary", "'dhcp1' is no rack"),
    ],
)
def test_a_rule_fails_by_path(isc: Cluster, path: str, value: object, where: str, says: str) -> None:
    put(isc, path, value)
    found = findings(isc)
    assert says in found.get(where, ""), found


def test_a_host_is_in_one_stand_alone_pair(isc: Cluster) -> None:
    pairs = cast("list[dict[str, object]]", isc["dhcp"])
    hosts = cast("dict[str, dict[str, list[str]]]", isc["hosts"])
    for name, number in (("dhcp1", 51), ("dhcp2", 52)):
        hosts[name]["also"].append(f"192.0.2.{number}")
    third = pairs[1] | {"subnet": "192.0.2.0/24", "range": {"start": "192.0.2.100", "end": "192.0.2.110"}}
    pairs.append(third | {"routers": [], "dns_servers": []})
    assert "dhcp1 is in dhcp[1] already, and a host has one dhcpd.conf" in findings(isc)["dhcp[2].primary"]
