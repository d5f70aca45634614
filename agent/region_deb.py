"""A region controller from packages (maas-facts §1.2, §10)."""

from __future__ import annotations

import dataclasses

from agent.bundle import Effect, RegionSettings
from agent.errors import StepError
from agent.machine import Machine, Work
from agent.packaging import BOOT_UNITS, DEB, RELEASES

UPGRADE_TIMEOUT = 1800.0
"""Seconds for `maas-region dbupgrade`; 36–45 s were seen on an empty database."""
UNIT = "maas-regiond.service"
NAMED = "named.service"
CONFIGURED = "bind9_restarted_for"
"""Fact: the package version after whose configuration bind9 was restarted."""


class DebRegion:
    """`maas-region-api` and its units."""

    unit = UNIT

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self._work = work
        self._services = RELEASES[settings.maas_version].region_services

    def prepare(self) -> None:
        """Packages leave nothing behind that would be in the way."""

    def version(self) -> str:
        """Debian version of `maas-region-api`. Raises `StepError` where somebody took the package away."""
        package = DEB.region_packages[0]
        version = self._work.packages.version(package)
        if not version:
            raise StepError(
                f"the package {package} isn't here any more: `maas-ha verify STACK --repair {self._work.bundle.host}`"
                " installs it again"
            )
        return version

    def is_serving(self) -> bool:
        """True if the unit is active."""
        return self._work.units.state(UNIT).active

    def stop(self) -> None:
        """Stop regiond, then what else holds sessions of the database."""
        self._work.units.stop([UNIT, *self._services])

    def migrate(self, *, empty: bool) -> None:
        """`dbupgrade` does either. Raises `StepError`."""
        self._work.report.step("maas-region dbupgrade")
        done = self._work.commands.run(
            DEB.region_cli, "dbupgrade", timeout=UPGRADE_TIMEOUT, check=False, hold_lock=True, detached=True
        )
        if done.code != 0:
            raise StepError(f"maas-region dbupgrade failed (exit {done.code}): {done.complaint}")

    def set_up(self) -> None:
        """Only regiond is started, it starts the others; they are enabled for the next boot (maas-facts §10)."""
        for name, state in self._work.units.states((*self._services, *BOOT_UNITS)).items():
            if state.loaded and not state.enabled and not state.masked:
                self._work.units.change("enable", name, state)
        self._restart_named()
        self._restart_services()

    def _restart_named(self) -> None:
        """The package's configuration edits named.conf under a running bind9 (maas-facts §10)."""
        version = self.version()
        if self._work.facts.get(CONFIGURED) == version:
            return
        state = self._work.units.state(NAMED)
        if state.active:
            self._work.units.change("restart", NAMED, state)
        self._work.facts[CONFIGURED] = version

    def _restart_services(self) -> None:
        """Those that read regiond.conf too, while regiond is stopped: it requires one of them, whose restart after its
        own would restart it once more (maas-facts §10)."""
        work, felt = self._work, {c.path for c in self._work.changes if c.effect is Effect.RESTART and UNIT in c.units}
        readers = [unit for change in work.changes if change.path in felt for unit in change.units if unit != UNIT]
        if not readers:
            return
        work.units.stop([UNIT])
        for name, state in work.units.states(readers).items():
            if state.active:
                work.units.change("restart", name, state)
        work.changes = [dataclasses.replace(c, units=(UNIT,)) if c.path in felt else c for c in work.changes]

    def missing(self) -> str:
        """Which of the services beside regiond isn't active, or ""."""
        return inactive(self._work, self._services)

    def roll_back(self) -> None:
        """Files and units are all there is."""

    def stop_for_good(self) -> None:
        """regiond first, so that nothing starts the others again; disable what wasn't enabled before us."""
        work = self._work
        work.units.stop([UNIT, *self._services])
        before = work.record.units_before if work.record else {}
        for name, state in work.units.states((*self._services, *BOOT_UNITS)).items():
            if state.loaded and state.enabled and name in before and not before[name].enabled:
                work.units.change("disable", name, state)

    def removed(self) -> None:
        """Files and units are all there was."""


def inactive(machine: Machine, units: tuple[str, ...]) -> str:
    """Which of `units` aren't active, or ""."""
    names = [name for name, state in machine.units.states(units).items() if not state.active]
    return f"{', '.join(names)} not active" if names else ""
