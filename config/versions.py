"""What differs between MAAS versions: one row a version (maas-facts §0, §7, §8, §10).

What only the agent has to know of a version stands beside the packagings, in `agent/packaging.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from config.topology import MaasVersion

MAAS_STARTS_ON = 12
"""Oldest PostgreSQL that 3.4 to 3.7 themselves check for, whatever their documentation says (maas-facts §0)."""


@dataclass(frozen=True)
class VersionFacts:
    """One MAAS version."""

    ubuntu: str
    """The Ubuntu release whose packages there are."""
    ubuntu_postgres: int
    """That release's PostgreSQL."""
    min_postgres: int
    """Oldest PostgreSQL that the documentation supports."""
    temporal: bool
    """Runs Temporal and the API server beside regiond, and takes `broadcast_address`."""
    region_units: tuple[str, ...]
    """Units that read regiond.conf; regiond first."""
    balanced_ports: tuple[tuple[int, int], ...]
    """TCP routes through the load balancer, without those of TLS: port there → port on each region."""
    region_ports: tuple[range, ...]
    """Further TCP ports that a region itself wants, where MAAS's TLS can't listen."""
    service_connections: int
    """Connections of one region's API server, Temporal worker (pools of 3 and 10 more; in 3.5 of 5 and 10 more) and
    Temporal server (6 for each of four services), maas-facts §7."""


HTTP, TEMPORAL, INTERNAL_API = (80, 5240), (5271, 5271), (5242, 5242)

OWN = (range(53, 54), range(5239, 5250), range(5250, 5271), range(8000, 8001), range(3128, 3129))
"""Metrics, HTTP, syslog, RPC, DNS and proxy."""
OWN_AND_TEMPORAL = (*OWN, range(5271, 5275), range(5281, 5285))

_3_4 = VersionFacts(
    ubuntu="22.04",
    ubuntu_postgres=14,
    min_postgres=14,
    temporal=False,
    region_units=("maas-regiond.service",),
    balanced_ports=(HTTP,),
    region_ports=OWN,
    service_connections=0,
)
_3_5 = replace(
    _3_4,
    temporal=True,
    region_units=("maas-regiond.service", "maas-apiserver.service", "maas-temporal-worker.service"),
    balanced_ports=(HTTP, TEMPORAL),
    region_ports=OWN_AND_TEMPORAL,
    service_connections=54,
)
_3_6 = replace(
    _3_5,
    ubuntu="24.04",
    ubuntu_postgres=16,
    balanced_ports=(HTTP, TEMPORAL, INTERNAL_API),
    service_connections=50,
)
_3_7 = replace(_3_6, min_postgres=16)

VERSIONS: dict[MaasVersion, VersionFacts] = {"3.4": _3_4, "3.5": _3_5, "3.6": _3_6, "3.7": _3_7}
"""Each version, written as what it changed."""
