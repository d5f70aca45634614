"""Machines: known, used, told apart, and with roles that go together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from config.finding import Finding
from config.topology import Database, DatabaseCluster, Topology

CLASHES = {
    ("rack", "region"): "they would share /var/lib/maas and be one controller (maas-facts §1.3)",
    ("load balancer", "region"): "HAProxy would want the region's own ports (maas-facts §8)",
}
"""Roles that one host can't have together, and why."""


def hosts_are_known(topology: Topology) -> Iterator[Finding]:
    """Every host that a role names is under `hosts`."""
    named = list(topology.load_balancer.named.items())
    if isinstance(topology.database, Database):
        named.append(("database.host", topology.database.host))
    if isinstance(topology.database, DatabaseCluster):
        named += [(f"database.cluster[{index}]", name) for index, name in enumerate(topology.database.cluster)]
    named += [(f"regions.{name}", name) for name in topology.regions]
    named += [(f"racks[{index}]", name) for index, name in enumerate(topology.racks)]
    for path, name in named:
        if name not in topology.hosts:
            yield Finding(path, f"there is no host {name!r}", f"name one of {', '.join(topology.hosts)}")


def hosts_are_used(topology: Topology) -> Iterator[Finding]:
    """No machine is prepared for nothing."""
    roles = topology.roles
    for name in topology.hosts:
        if not roles[name]:
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
    """An address belongs to one machine and is named once; MAAS ignores one that two regions have (maas-facts §4.3)."""
    owner: dict[str, str] = {}
    for name, host in topology.hosts.items():
        for index, address in enumerate(map(str, host.addresses)):
            path = f"hosts.{name}.{f'also[{index - 1}]' if index else 'address'}"
            known = owner.setdefault(address, name)
            if known != name:
                yield Finding(path, f"{address} is also {known}'s", "give each host its own")
            elif address in map(str, host.addresses[:index]):
                yield Finding(path, f"{address} is named twice", "take one out")
