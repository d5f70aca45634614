"""Load balancers that share an address: each rule by path, all at once, and one function for what clients use."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from config import rules
from config.finding import StackFileError
from config.stack_file import parse
from tests.config.test_rules import findings, put
from tests.stacks import VIRTUAL_ADDRESS, cluster_of, with_shared_address

Cluster = dict[str, object]


@pytest.fixture
def shared(tmp_path: Path) -> Cluster:
    return with_shared_address(tmp_path, "lb1", "lb2")


def test_clients_use_the_shared_address(shared: Cluster, tmp_path: Path) -> None:
    topology = parse(shared, Path("/")).topology
    assert str(topology.client_address) == VIRTUAL_ADDRESS
    assert [name for name, roles in topology.roles.items() if "load balancer" in roles] == ["lb1", "lb2"]
    alone = parse(cluster_of("dev", tmp_path / "known_hosts"), Path("/")).topology
    assert str(alone.client_address) == "198.51.100.41"


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("hosts", ["lb1", "lb9"], "load_balancer.hosts[1]", "there is no host 'lb9'"),
        ("hosts", ["lb1", "lb2", "lb1"], "load_balancer.hosts[2]", "named twice"),
        ("hosts", ["lb1", "lb2", "region1"], "hosts.region1", "region's own ports"),
        ("hosts", [], "load_balancer.hosts", "at least 1 item"),
        ("hosts", "lb1", "load_balancer.hosts", "is no list"),
        ("host", "lb1", "load_balancer.host", "did you mean 'hosts'"),
        ("virtual_address", "198.51.100.40", "load_balancer.virtual_address", "such as 198.51.100.40/24"),
        ("virtual_address", "198.51.100.400/24", "load_balancer.virtual_address", "no IPv4 address with a prefix"),
        ("virtual_address", "2001:db8::40/64", "load_balancer.virtual_address", "no IPv4 address with a prefix"),
        ("virtual_address", 40, "load_balancer.virtual_address", "is written as text"),
        ("virtual_address", "203.0.113.40/24", "load_balancer.hosts[1]", "lb2 has no address in 203.0.113.0/24"),
        ("virtual_address", "198.51.100.255/24", "load_balancer.virtual_address", "the last of 198.51.100.0/24"),
        ("virtual_address", "198.51.100.31/24", "load_balancer.virtual_address", "the address of rack1"),
        ("virtual_address", "198.51.100.150/24", "load_balancer.virtual_address", "is in dhcp[0].range"),
        ("virtual_router_id", 256, "load_balancer.virtual_router_id", "less than or equal to 255"),
        ("virtual_router_id", "7", "load_balancer.virtual_router_id", "valid integer"),
    ],
)
def test_a_rule_fails_by_path(shared: Cluster, path: str, value: object, where: str, says: str) -> None:
    put(shared, f"load_balancer.{path}", value)
    found = findings(shared)
    assert says in found.get(where, ""), found


def test_all_problems_at_once(shared: Cluster) -> None:
    put(shared, "load_balancer", {"hosts": ["lb1", "lb1", "lb9"], "virtual_address": "198.51.100.21/24"})
    with pytest.raises(StackFileError) as caught:
        parse(shared, Path("/"))
    assert [finding.path for finding in caught.value.findings] == [
        "load_balancer.hosts[2]",
        "hosts.lb2",
        "load_balancer.hosts[1]",
        "load_balancer.virtual_address",
    ]


def test_the_network_may_be_another_than_that_of_ssh(shared: Cluster) -> None:
    hosts = cast("dict[str, dict[str, object]]", shared["hosts"])
    for number in (1, 2):
        hosts[f"lb{number}"]["also"] = [f"203.0.113.{number}"]
    put(shared, "load_balancer.virtual_address", "203.0.113.40/24")
    assert str(parse(shared, Path("/")).topology.client_address) == "203.0.113.40"


def test_one_host_is_advised_against(tmp_path: Path) -> None:
    topology = parse(with_shared_address(tmp_path, "lb1"), Path("/")).topology
    assert [str(finding) for finding in rules.advice(topology) if finding.path == "load_balancer.hosts"] == [
        "load_balancer.hosts: nothing takes 198.51.100.40 over when lb1 fails; name a second host"
    ]


def test_tls_has_a_port_of_its_own(shared: Cluster) -> None:
    put(shared, "maas.tls", {"port": 8404})
    assert "another port of the load balancer's host" in findings(shared)["maas.tls.port"]
