"""What MAAS needs: its packaging, its ports, its PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from config.finding import Finding
from config.topology import Database, Topology
from config.versions import VERSIONS


def postgres_is_supported(topology: Topology) -> Iterator[Finding]:
    """MAAS and PostgreSQL go together (maas-facts §0)."""
    wanted = VERSIONS[topology.maas.version].min_postgres
    if isinstance(topology.database, Database) and topology.database.version < wanted:
        problem = f"MAAS {topology.maas.version} is not supported on PostgreSQL {topology.database.version}"
        yield Finding("database.version", problem, f"use {wanted} or newer")
