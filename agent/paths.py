"""Where things are on a host, below a root that tests replace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LAUNCHER = "/usr/local/sbin/maas-ha-agent"
LIBRARY = "/usr/local/lib/maas-ha"
"""The agent itself."""


@dataclass(frozen=True)
class Paths:
    """Every path that the agent touches goes through `at`."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """The absolute `path` of a host, below the root."""
        return self.root / path.lstrip("/")

    @property
    def state(self) -> Path:
        """The agent's own folder, root's alone (0700)."""
        return self.at("/var/lib/maas-ha")

    @property
    def lock(self) -> Path:
        """Held while the agent works; contains the holder's process id."""
        return self.state / "lock"

    @property
    def journal(self) -> Path:
        """There while a transaction is under way."""
        return self.state / "journal.json"

    @property
    def records(self) -> Path:
        """One JSON file a component, as it was last committed."""
        return self.state / "records"

    @property
    def originals(self) -> Path:
        """Files that were on the host before a component took them over."""
        return self.state / "originals"

    @property
    def api_key(self) -> Path:
        """The administrator's API key, on the first region alone: it tells MAAS to forget it once PostgreSQL no longer
        lets it in."""
        return self.state / "api-key"

    @property
    def packages_before(self) -> Path:
        """Packages seen before an installation not yet accounted for, one a line; the launcher writes it too."""
        return self.state / "packages-before"

    @property
    def packages_installed(self) -> Path:
        """Packages that came with maas-ha, one a line."""
        return self.state / "packages-installed"

    @property
    def host_before(self) -> Path:
        """What the machine looked like before the first bundle: state folders and unit links that were there."""
        return self.state / "host-before.json"

    @property
    def schema(self) -> Path:
        """Which package version last migrated MAAS's schema from here, or that a migration is under way."""
        return self.state / "schema.json"
