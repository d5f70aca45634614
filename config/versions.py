"""What differs between MAAS versions: one row a version (maas-facts §0, §8, §10)."""

from __future__ import annotations

from dataclasses import dataclass

from config.topology import MaasVersion


@dataclass(frozen=True)
class VersionFacts:
    """One MAAS version."""

    min_postgres: int
    """Oldest PostgreSQL that the documentation supports."""
    temporal: bool
    """Runs Temporal and the API server beside regiond, and takes `broadcast_address`."""
    region_units: tuple[str, ...]
    """Units that read regiond.conf; regiond first."""
    balanced_ports: tuple[tuple[int, int], ...]
    """TCP routes through the load balancer: port there → port on each region."""


HTTP, HTTPS = (80, 5240), (443, 5443)
TEMPORAL, INTERNAL_API = (5271, 5271), (5242, 5242)

REGIOND = ("maas-regiond.service",)
REGIOND_AND_TEMPORAL = ("maas-regiond.service", "maas-apiserver.service", "maas-temporal-worker.service")

VERSIONS: dict[MaasVersion, VersionFacts] = {
    "3.4": VersionFacts(14, False, REGIOND, (HTTP, HTTPS)),
    "3.5": VersionFacts(14, True, REGIOND_AND_TEMPORAL, (HTTP, HTTPS, TEMPORAL)),
    "3.6": VersionFacts(14, True, REGIOND_AND_TEMPORAL, (HTTP, HTTPS, TEMPORAL, INTERNAL_API)),
    "3.7": VersionFacts(16, True, REGIOND_AND_TEMPORAL, (HTTP, HTTPS, TEMPORAL, INTERNAL_API)),
}
