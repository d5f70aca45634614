"""A region that is held: no regiond starts, whoever asks for it, until its MAAS fits the schema (ADR 12).

The mark outlives the agent and a reboot; a condition on it is in a drop-in of each unit that works on the database.
"""

from __future__ import annotations

from agent import disk
from agent.bundle import File
from agent.packaging import RELEASES
from agent.paths import Paths
from agent.region_deb import UNIT

MARK = "/var/lib/maas-ha/held"
OWN, ANOTHERS = "its own upgrade is under way", "the first region's upgrade is under way"
"""Why a region is held, as the mark says."""


class Hold:
    """Of the region on this host."""

    def __init__(self, paths: Paths) -> None:
        self._mark = paths.at(MARK)

    @property
    def stands(self) -> bool:
        """True between `begin` and `end`."""
        return self._mark.exists()

    @property
    def why(self) -> str:
        """`OWN` or `ANOTHERS`; "" where nothing is held."""
        return self._mark.read_text().strip() if self.stands else ""

    def begin(self, why: str) -> None:
        """From here on nothing starts."""
        disk.write_private(self._mark, f"{why}\n")

    def end(self) -> None:
        """Units start again."""
        self._mark.unlink(missing_ok=True)
        disk.sync_folder(self._mark.parent)


def units_of(version: str) -> tuple[str, ...]:
    """Units of MAAS `version` that hold sessions of the database, regiond's first."""
    return (UNIT, *RELEASES[version].region_services)


def guards(version: str) -> tuple[File, ...]:
    """The drop-ins by which the mark is heeded."""
    text = f"# Written by maas-ha: an upgrade holds this region back.\n[Unit]\nConditionPathExists=!{MARK}\n"
    return tuple(File(f"/etc/systemd/system/{unit}.d/maas-ha-hold.conf", text) for unit in units_of(version))
