"""How many connections PostgreSQL must allow (maas-facts §7)."""

from __future__ import annotations

import math

from config.topology import Topology
from config.versions import VERSIONS

PER_PROCESS = 10
"""Connections that one regiond process may hold: a pool of 9 and one for LISTEN."""

MASTER = 1
"""Processes of a region besides its workers."""

SERVICES = 50
"""Connections of Temporal and the API server of one region, from MAAS 3.5 on."""

RESERVE = 20
"""For superusers, backups and operators."""

STEP = 50
"""`max_connections` grows in steps, for raising it restarts PostgreSQL and a worker more should not."""


def connections_needed(topology: Topology) -> int:
    """Connections that all regions may hold at once, and the reserve."""
    services = SERVICES if VERSIONS[topology.maas.version].temporal else 0
    regions = sum(PER_PROCESS * (region.workers + MASTER) + services for region in topology.regions.values())
    return regions + RESERVE


def max_connections(topology: Topology) -> int:
    """PostgreSQL's `max_connections`: the need, rounded up to a step, at least its default of 100."""
    return max(100, STEP * math.ceil(connections_needed(topology) / STEP))
