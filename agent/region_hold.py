"""A region that isn't the first, while an upgrade rolls: drained, stopped and held, or released again (ADR 12)."""

from __future__ import annotations

from agent.bundle import RegionSettings
from agent.deb_versions import is_older, minor, refuse_newer, refuse_other_offer
from agent.hold import ANOTHERS, MARK, OWN, Hold, units_of
from agent.machine import Work
from agent.packaging import DEB
from agent.records import Records
from agent.region_cli import Administrator
from agent.region_deb import UNIT
from agent.region_health import missing_event_loops
from agent.region_restart import Restart
from agent.signals import ignored

PACKAGE = DEB.region_packages[0]
BACK_DEADLINE = 300.0
"""Seconds until a region that is released lists its event loops; 16–18 s were seen."""


class RegionHold:
    """Nothing where no region was committed yet, or where it has the wanted version."""

    def __init__(self, work: Work, wanted: str) -> None:
        self._work = work
        self._wanted = wanted
        self._hold = Hold(work.paths)
        settings = [record.settings for record in Records(work.paths).all() if record.role == "region"]
        self._region = next((one for one in settings if isinstance(one, RegionSettings)), None)
        self._is_due = False

    def prepare(self) -> None:
        """Refuse while nothing is touched."""
        if self._region is None or self._region.packaging != DEB.name:
            return
        here = self._work.packages.version(PACKAGE)
        refuse_newer(here, self._wanted)
        self._is_due = is_older(here, self._wanted)
        if self._is_due and not self._hold.stands:
            refuse_other_offer(self._work.packages, PACKAGE, self._wanted)

    def bring_about(self) -> None:
        """Held where the upgrade is due; where the stack file gave it up, the region serves again."""
        if self._region is None:
            return
        if self._is_due:
            self._begin(self._region)
        elif self._hold.stands and minor(self._region.maas_version) == minor(self._wanted):
            self._release(self._region)

    def release_first(self) -> None:
        """The first region whose upgrade was cut short and given up before its packages came: it serves again.

        Its packages aren't newer, or its host had refused; so the schema, which its own upgrade was to migrate, isn't
        either.
        """
        region = self._region
        if region and self._hold.why == OWN and minor(region.maas_version) == minor(self._wanted):
            self._release(region)

    def _begin(self, region: RegionSettings) -> None:
        work, restart = self._work, Restart(self._work, region)
        running = [name for name, state in work.units.states(units_of(region.maas_version)).items() if state.active]
        if self._hold.stands and not running:
            return
        if UNIT in running:
            restart.prepare(Administrator(work, region).last_key())
        work.report.step("hold this region until the first one has the new version")
        work.makes(MARK)
        self._hold.begin(ANOTHERS)
        work.units.stop(running)
        restart.end_held()

    def _release(self, region: RegionSettings) -> None:
        """Where the first region has the new version, its host refuses an older one before this is asked for."""
        work = self._work
        work.report.step("the upgrade was given up: this region serves again")
        why = self._hold.why
        self._hold.end()
        try:
            # Not by way of the journal: that it runs is right whatever becomes of this transaction.
            work.commands.run("systemctl", "start", UNIT, timeout=BACK_DEADLINE)
            work.wait(
                "regiond with all its event loops",
                BACK_DEADLINE,
                lambda: missing_event_loops(work, region.workers),
                unit=UNIT,
            )
        except BaseException:
            with ignored():
                self._hold.begin(why)  # by which a repeat sees what is left to do
            raise
