"""One step of an upgrade that comes before any region has the new version: of a rack, or of a region that isn't first.

Nothing on a first deployment, and where the version is as asked: it goes by what is on the host.
"""

from __future__ import annotations

from agent.errors import StepError
from agent.hold import Hold
from agent.machine import Work
from agent.rack_upgrade import RackUpgrade
from agent.region_hold import RegionHold
from agent.roles.base import Role
from agent.upgrade_settings import UpgradeSettings


class Upgrade(Role):
    """Racks get the new version, further regions are held; see ADR 12."""

    def __init__(self, work: Work, settings: UpgradeSettings) -> None:
        super().__init__(work)
        if settings.controller not in ("rack", "region"):
            raise StepError(f"no upgrade of a {settings.controller}: program and agent differ in version?")
        self._rack = RackUpgrade(work, settings.maas_version) if settings.controller == "rack" else None
        self._region = RegionHold(work, settings.maas_version) if settings.controller == "region" else None

    def prepare(self) -> None:
        """Refuse while nothing is touched."""
        if self._rack:
            self._rack.prepare()
        if self._region:
            self._region.prepare()

    def upgrade(self) -> None:
        """A rack's packages."""
        if self._rack:
            self._rack.bring()

    def before_units(self) -> None:
        """A region's hold."""
        if self._region:
            self._region.bring_about()

    def health(self) -> None:
        """A rack is back."""
        if self._rack:
            self._rack.prove()

    def remove(self) -> None:
        """Nothing holds a region that leaves."""
        Hold(self.work.paths).end()
