"""A region controller as it came onto the host: what packages and the snap have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agent.bundle import RegionSettings
from agent.machine import Work
from agent.region_deb import DebRegion
from agent.region_snap import SnapRegion


class Installed(Protocol):
    """One way to have a region controller."""

    @property
    def unit(self) -> str:
        """The unit that serves; its log is shown where something fails."""

    def prepare(self) -> None:
        """Before anything changes: refuse what can't work. Raises `StepError`."""

    def version(self) -> str:
        """The installed version, as whoever installed it writes it."""

    def is_serving(self) -> bool:
        """True if regiond runs, as far as units tell."""

    def stop(self) -> None:
        """Stop regiond for a migration."""

    def migrate(self, *, empty: bool) -> None:
        """Make the schema in an `empty` database, or bring it up to the installed version. Raises `StepError`."""

    def set_up(self) -> None:
        """The schema is there, no unit knows of the new files yet: what has to be done before. Raises `StepError`."""

    def missing(self) -> str:
        """Which services beside regiond don't run yet, or ""."""

    def roll_back(self) -> None:
        """After a failure, before files and units are restored. Never raises `StepError`."""

    def stop_for_good(self) -> None:
        """Before removal: stop regiond and what it started for itself. Raises `StepError`."""

    def removed(self) -> None:
        """After removal."""


INSTALLED: dict[str, Callable[[Work, RegionSettings], Installed]] = {"deb": DebRegion, "snap": SnapRegion}
"""By name of the packaging."""
