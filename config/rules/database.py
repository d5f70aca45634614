"""A cluster of PostgreSQL hosts: how many may die is decided by how many there are."""

from __future__ import annotations

from collections.abc import Iterator

from config.finding import Finding
from config.topology import DatabaseCluster, Topology

FEWEST = 3
"""Hosts of which one may die: the others still are more than half."""


def cluster_has_a_quorum(topology: Topology) -> Iterator[Finding]:
    """etcd works while more than half of its members do, so an even one more only adds a host that can fail."""
    database = topology.database
    if not isinstance(database, DatabaseCluster):
        return
    for index, name in enumerate(database.cluster):
        if name in database.cluster[:index]:
            yield Finding(f"database.cluster[{index}]", f"{name!r} is named twice", "name another host")
    count = len(set(database.cluster))
    if count < FEWEST:
        problem = f"with {count} host{'' if count == 1 else 's'} none may die: the rest is no majority"
        yield Finding("database.cluster", problem, "name three hosts, or write database.host for one PostgreSQL")
    elif count % 2 == 0:
        problem = f"of {count} hosts no more may die than of {count - 1}: half of them is no majority"
        yield Finding("database.cluster", problem, f"name {count - 1} or {count + 1} hosts")
