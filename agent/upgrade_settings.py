"""What a step of an upgrade is told: all else it knows from the records of the controller on its host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UpgradeSettings:
    """Before any region has the new version: a rack gets it, a region that isn't the first is held (ADR 12)."""

    controller: str
    """Role of the controller on this host: `rack` or `region`."""
    maas_version: str
    """`MAJOR.MINOR` that is asked for."""
