"""No rule is idle: for each there is a stack file whose problem nobody else would tell."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import pytest

from config import rules
from config.finding import StackFileError
from config.stack_file import parse
from tests.config.test_rules import SOURCE, Cluster, put
from tests.stacks import HOST_KEY, cluster_of

ISC_RANGE = {"start": "203.0.113.100", "end": "203.0.113.199"}
ISC = {"mode": "isc", "subnet": "203.0.113.0/24", "range": ISC_RANGE, "primary": "dhcp1", "secondary": "dhcp2"}
BMC = {"subnet": "198.51.100.0/24", "racks": ["rack1", "rack2"]}
SHARED = {"hosts": ["lb1"], "virtual_address": "198.51.100.40/24"}

SPOILT: Mapping[str, Mapping[str, object]] = {
    "hosts_are_known": {"load_balancer.host": "nowhere"},
    "hosts_are_used": {"hosts.spare": {"address": "198.51.100.77"}},
    "roles_fit_together": {"racks": ["rack1", "rack2", "region1"]},
    "racks_are_named_once": {"racks": ["rack1", "rack2", "rack1"]},
    "addresses_differ": {"hosts.rack2.address": "198.51.100.31"},
    "balancers_are_named_once": {"load_balancer": SHARED | {"hosts": ["lb1", "lb1"]}},
    "balancers_are_in_the_network": {"load_balancer": SHARED | {"virtual_address": "203.0.113.40/24"}},
    "virtual_address_is_free": {"load_balancer": SHARED | {"virtual_address": "198.51.100.31/24"}},
    "addresses_can_be_reached": {"hosts.rack2.also": ["fe80::1"]},
    "cluster_has_a_quorum": {"database": {"cluster": ["db1", "rack1"], "version": 15}},
    "regions_and_database_speak_one_family": {"hosts.region1.address": "2001:db8::21"},
    "everyone_reaches_the_regions": {"hosts.lb1.address": "2001:db8::41"},
    "ssh_has_a_free_port": {"hosts.lb1.port": 80},
    "postgres_is_supported": {"maas.version": "3.7"},
    "packaging_has_its_own_source": {"maas.packaging": "snap", "maas.repository": SOURCE},
    "channel_is_of_the_version": {"maas.packaging": "snap", "maas.channel": "3.5/stable"},
    "tls_has_a_free_port": {"maas.tls": {"port": 5250}},
    "tls_is_renewed_once": {"maas.tls": {"valid_days": 20}},
    "dhcp_is_by_two_hosts": {"dhcp.0.secondary": "rack1"},
    "dhcp_members_are_in_the_subnet": {"hosts.rack2.address": "203.0.113.32"},
    "dhcp_ranges_fit": {"dhcp.0.range": {"start": "198.51.100.2", "end": "198.51.100.99"}},
    "dhcp_subnets_differ": {"dhcp.1": ISC | {"subnet": "198.51.100.0/24"}},
    "isc_hosts_serve_one_pair": {"dhcp.1": ISC | {"primary": "rack1"}},
    "isc_options_are_plausible": {"dhcp.1": ISC | {"routers": ["198.51.100.1"]}},
    "bmc_is_reached_by_two_racks": {"bmc": [BMC | {"racks": ["rack1"]}]},
    "bmc_racks_are_in_the_subnet": {"bmc": [BMC | {"subnet": "203.0.113.0/24"}]},
    "bmc_subnets_differ": {"bmc": [BMC, BMC]},
}
"""Rule → an edit of the dev stack, which has two more hosts beside, that it is there for."""


@pytest.fixture
def dev(tmp_path: Path) -> Cluster:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    with (tmp_path / "known_hosts").open("a") as file:
        for number in (51, 52):
            put(cluster, f"hosts.dhcp{number - 50}", {"address": f"203.0.113.{number}"})
            file.write(f"203.0.113.{number} {HOST_KEY}\n")
    return cluster


def problems(cluster: Cluster) -> set[str]:
    try:
        parse(cluster, Path("/"))
    except StackFileError as error:
        return {str(finding) for finding in error.findings}
    return set()


def test_every_rule_has_its_edit() -> None:
    assert {rule.__name__ for rule in rules.RULES} == SPOILT.keys()


@pytest.mark.parametrize("name", SPOILT)
def test_without_the_rule_nobody_tells(name: str, dev: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = copy.deepcopy(dev)
    for path, value in SPOILT[name].items():
        put(spoilt, path, value)
    told = problems(spoilt)
    monkeypatch.setattr(rules, "RULES", tuple(rule for rule in rules.RULES if rule.__name__ != name))
    assert told - problems(spoilt), told
