"""The probe calls the end state good, and each thing that can be wrong with it by its name."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from bench.probe import MODES, PAIR, RACKS, REGIONS, UNITS, Seen, problems

ADDRESSES = {
    "db1": "198.51.100.11",
    "region1": "198.51.100.21",
    "region2": "198.51.100.22",
    "rack1": "198.51.100.31",
    "rack2": "198.51.100.32",
    "lb1": "198.51.100.41",
}
WORKERS = {"region1": 2, "region2": 2}
LOOPS: dict[str, list[list[object]]] = {
    f"{region}:pid={worker}": [[ADDRESSES[region], 5250 + worker]] for region in REGIONS for worker in range(2)
}


def said_by(host: str) -> str:
    """What a host prints that is as it should be."""
    lines = [f"unit {unit} active" for unit in UNITS[host]]
    lines += [f"mode {file} {mode}" for file, mode in MODES.get(host, {}).items()]
    if host in MODES:
        lines.append("secret 0123abcd  -")
    if host in REGIONS:
        lines.append("num_workers: 2")
    if host in RACKS:
        peers = [f"{address}:{port}" for loops in LOOPS.values() for address, port in loops]
        lines += PAIR
        lines += [f"connection 0 0 {ADDRESSES[host]}:4000{n} {peer}" for n, peer in enumerate(peers)]
    return "\n".join(lines) + "\n"


GOOD = Seen(
    version="3.4.10",
    whoami="admin",
    eventloops=LOOPS,
    regions=["region2", "region1"],
    racks={"rack1": "running", "rack2": "running"},
    dhcp={"dhcp_on": True, "primary_rack": "aaaaaa", "secondary_rack": "bbbbbb"},
    ids={"rack1": "aaaaaa", "rack2": "bbbbbb"},
    hosts={host: said_by(host) for host in UNITS},
)


def without(host: str, words: str, instead: str = "") -> Callable[[Seen], None]:
    def change(seen: Seen) -> None:
        assert words in seen.hosts[host]
        seen.hosts[host] = seen.hosts[host].replace(words, instead, 1)

    return change


def test_the_end_state_has_no_problem() -> None:
    assert problems(GOOD, WORKERS, ADDRESSES) == []


def test_nothing_at_all_is_full_of_problems() -> None:
    found = problems(Seen(), WORKERS, ADDRESSES)
    assert len(found) > 20


BROKEN: dict[str, tuple[Callable[[Seen], None], str]] = {
    "API": (lambda seen: setattr(seen, "version", ""), "the API doesn't answer through the balancer"),
    "key": (lambda seen: setattr(seen, "whoami", ""), "the administrator's key is for nobody"),
    "region": (lambda seen: seen.regions.remove("region2"), "MAAS knows the regions ['region1']"),
    "rack": (lambda seen: seen.racks.update(rack2="dead"), "rackd of rack2 is dead"),
    "worker": (lambda seen: seen.eventloops.popitem() and None, "region2 has 1 event loops, not 2"),
    "file": (without("region1", "num_workers: 2", "num_workers: 4"), "region1: /etc/maas/regiond.conf doesn't say 2"),
    "connection": (
        without("rack1", "198.51.100.22:5251", "198.51.100.99:5251"),
        "rack1 has no connection to region2:pid=1",
    ),
    "pair": (
        without("rack2", "partner state normal", "partner state recover-done"),
        "dhcpd of rack2 says failover my state normal, failover partner state recover-done",
    ),
    "dhcpd": (without("rack1", "\n".join(PAIR)), "dhcpd of rack1 says nothing of a pair"),
    "DHCP": (lambda seen: seen.dhcp.update(secondary_rack=None), "DHCP is True, by ['None', 'aaaaaa']"),
    "unit": (without("lb1", "haproxy.service active", "haproxy.service failed"), "lb1: haproxy.service is not active"),
    "mode": (without("rack2", "/secret 640", "/secret 644"), "rack2: /var/lib/maas/secret doesn't have the mode 640"),
    "secret": (without("rack2", "0123abcd", "ffffffff"), "the shared secret isn't the same on every region and rack"),
    "TLS": (lambda seen: setattr(seen, "without_tls", "3"), "3 connections to the database in the clear"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_one_thing_wrong_is_one_problem(what: str) -> None:
    seen, (change, expected) = copy.deepcopy(GOOD), BROKEN[what]
    change(seen)
    found = problems(seen, WORKERS, ADDRESSES)
    assert len(found) == 1
    assert found[0].startswith(expected)
