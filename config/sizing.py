"""How many connections PostgreSQL must allow (maas-facts §7)."""

from __future__ import annotations

import math

from config.topology import DatabaseCluster, Topology
from config.versions import VERSIONS

PER_PROCESS = 10
"""Connections that one regiond process may hold: a pool of 9 and one for LISTEN."""

MASTER = 1
"""Processes of a region besides its workers."""

SUPERUSERS = 3
"""PostgreSQL's `superuser_reserved_connections`, which no other role gets: the operator's way in when all are taken."""

PATRONI = 6
"""Superuser connections of a cluster's own: Patroni's loop and its REST API, pg_rewind, and this program's questions to
each host. They are kept for superusers too, or a leader whose regions took all would be given up. Replicas need none:
`max_wal_senders` are counted apart since PostgreSQL 12."""

COMMANDS = 17
"""For what is no region's service: regiond's start-up, `maas-region` commands, the agents' own psql, backups."""

STEP = 50
"""`max_connections` grows in steps, for raising it restarts PostgreSQL and a worker more should not."""


def regions_need(topology: Topology) -> int:
    """Connections that all regions may hold at once: workers, masters, and the services of MAAS 3.5 and later."""
    services = VERSIONS[topology.maas.version].service_connections
    return sum(PER_PROCESS * (region.workers + MASTER) + services for region in topology.regions.values())


def ordinary_need(topology: Topology) -> int:
    """What MAAS's role may hold at once, commands included: free of superusers' and of other users' connections."""
    return regions_need(topology) + COMMANDS


def kept_for_superusers(topology: Topology) -> int:
    """PostgreSQL's `superuser_reserved_connections` on this program's own servers."""
    return SUPERUSERS + (PATRONI if isinstance(topology.database, DatabaseCluster) else 0)


def connections_needed(topology: Topology) -> int:
    """The smallest `max_connections` of a server that serves MAAS alone."""
    return ordinary_need(topology) + kept_for_superusers(topology)


def max_connections(topology: Topology) -> int:
    """PostgreSQL's `max_connections`: the need, rounded up to a step, at least its default of 100."""
    return max(100, STEP * math.ceil(connections_needed(topology) / STEP))
