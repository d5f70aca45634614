"""What several values of a stack file mean together: one function a rule, every finding in one list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise

from config.finding import Finding
from config.topology import Database, Topology
from config.versions import VERSIONS

Rule = Callable[[Topology], Iterator[Finding]]

CLASHES = {
    ("rack", "region"): "they would share /var/lib/maas and be one controller (maas-facts §1.3)",
    ("load balancer", "region"): "HAProxy would want the region's own ports (maas-facts §8)",
}
"""Roles that one host can't have together, and why."""


def hosts_are_known(topology: Topology) -> Iterator[Finding]:
    """Every host that a role names is under `hosts`."""
    named = [("load_balancer.host", topology.load_balancer.host)]
    if isinstance(topology.database, Database):
        named.append(("database.host", topology.database.host))
    named += [(f"regions.{name}", name) for name in topology.regions]
    named += [(f"racks[{index}]", name) for index, name in enumerate(topology.racks)]
    for path, name in named:
        if name not in topology.hosts:
            yield Finding(path, f"there is no host {name!r}", f"name one of {', '.join(topology.hosts)}")


def hosts_are_used(topology: Topology) -> Iterator[Finding]:
    """No machine is prepared for nothing."""
    for name in topology.hosts:
        if not topology.roles[name]:
            yield Finding(f"hosts.{name}", "no role uses this host", "give it one or take it out")


def roles_fit_together(topology: Topology) -> Iterator[Finding]:
    """No host has two roles that want the same thing."""
    for name, roles in topology.roles.items():
        for pair in combinations(sorted(set(roles)), 2):
            if pair in CLASHES:
                problem = f"can't be both {pair[1]} and {pair[0]}: {CLASHES[pair]}"
                yield Finding(f"hosts.{name}", problem, "use two hosts")


def racks_are_named_once(topology: Topology) -> Iterator[Finding]:
    """A rack is one controller."""
    for index, name in enumerate(topology.racks):
        if name in topology.racks[:index]:
            yield Finding(f"racks[{index}]", f"{name!r} is named twice", "take one out")


def addresses_differ(topology: Topology) -> Iterator[Finding]:
    """An address belongs to one machine (maas-facts §4.3)."""
    by_address: dict[str, list[str]] = defaultdict(list)
    for name, host in topology.hosts.items():
        by_address[str(host.address)].append(name)
    for address, names in by_address.items():
        for name in names[1:]:
            yield Finding(f"hosts.{name}.address", f"{address} is also {names[0]}'s", "give each host its own")


def postgres_is_supported(topology: Topology) -> Iterator[Finding]:
    """MAAS and PostgreSQL go together (maas-facts §0)."""
    wanted = VERSIONS[topology.maas.version].min_postgres
    if isinstance(topology.database, Database) and topology.database.version < wanted:
        problem = f"MAAS {topology.maas.version} is not supported on PostgreSQL {topology.database.version}"
        yield Finding("database.version", problem, f"use {wanted} or newer")


def dhcp_is_by_two_racks(topology: Topology) -> Iterator[Finding]:
    """A failover pair has two different members, and both are racks of this cluster."""
    for index, pair in enumerate(topology.dhcp):
        for member in ("primary", "secondary"):
            name = getattr(pair, member)
            if name not in topology.racks:
                remedy = f"name one of {', '.join(topology.racks)}"
                yield Finding(f"dhcp[{index}].{member}", f"{name!r} is no rack", remedy)
        if pair.primary == pair.secondary:
            problem = "primary and secondary are the same rack, so nothing would take over"
            yield Finding(f"dhcp[{index}].secondary", problem, "name another rack")


def dhcp_racks_are_in_the_subnet(topology: Topology) -> Iterator[Finding]:
    """MAAS offers a VLAN only to racks that have an address in it (maas-facts §5, vlan update)."""
    for index, pair in enumerate(topology.dhcp):
        for member in ("primary", "secondary"):
            host = topology.hosts.get(getattr(pair, member))
            if host is not None and not any(address in pair.subnet for address in host.addresses):
                problem = f"{' or '.join(map(str, host.addresses))} is not in {pair.subnet}"
                yield Finding(f"dhcp[{index}].{member}", problem, "name a rack with an address in the subnet")


def dhcp_ranges_fit(topology: Topology) -> Iterator[Finding]:
    """A dynamic range lies inside its subnet, the right way round, and holds no host's address."""
    for index, pair in enumerate(topology.dhcp):
        start, end, path = pair.range.start, pair.range.end, f"dhcp[{index}].range"
        if start > end:
            yield Finding(path, f"{start} comes after {end}", "swap the two")
            continue
        if start not in pair.subnet or end not in pair.subnet:
            yield Finding(path, f"{start} to {end} is not inside {pair.subnet}", "choose addresses of the subnet")
        for name, host in topology.hosts.items():
            if host.address.version == 4 and start <= host.address <= end:
                yield Finding(path, f"holds {host.address}, the address of {name}", "leave it out of the range")


def dhcp_subnets_differ(topology: Topology) -> Iterator[Finding]:
    """A subnet is served by one pair."""
    by_place = sorted(enumerate(topology.dhcp), key=lambda item: item[1].subnet)
    for (_, before), (index, after) in pairwise(by_place):
        if before.subnet.overlaps(after.subnet):
            problem = f"{after.subnet} overlaps {before.subnet}"
            yield Finding(f"dhcp[{index}].subnet", problem, "name each subnet once")


RULES: tuple[Rule, ...] = (
    hosts_are_known,
    hosts_are_used,
    roles_fit_together,
    racks_are_named_once,
    addresses_differ,
    postgres_is_supported,
    dhcp_is_by_two_racks,
    dhcp_racks_are_in_the_subnet,
    dhcp_ranges_fit,
    dhcp_subnets_differ,
)


def check(topology: Topology) -> list[Finding]:
    """All findings of all rules."""
    return [finding for rule in RULES for finding in rule(topology)]
