"""Where snapd keeps things."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """All below one root; `SNAPD_ROOT` in the environment moves it for tests."""

    root: Path = Path("/")

    @classmethod
    def here(cls) -> "Places":
        """The places of this process."""
        return cls(Path(os.environ.get("SNAPD_ROOT", "/")))

    @property
    def store(self) -> Path:
        """The store: `store.json` and the snaps."""
        return self.root / "usr/lib/snapd/standin-store"

    @property
    def state(self) -> Path:
        """What is installed."""
        return self.root / "var/lib/snapd/state.json"

    @property
    def lock(self) -> Path:
        """Held by the one change that is under way."""
        return self.root / "var/lib/snapd/state.lock"

    @property
    def seeded(self) -> Path:
        """There once snapd takes orders."""
        return self.root / "var/lib/snapd/seeded"

    @property
    def socket(self) -> Path:
        """Where snapd listens."""
        return self.root / "run/snapd.socket"

    @property
    def units(self) -> Path:
        """Units of snaps' services."""
        return self.root / "etc/systemd/system"

    @property
    def commands(self) -> Path:
        """Links by which snaps' commands are called."""
        return self.root / "snap/bin"

    def mounted(self, snap: str, revision: int | str) -> Path:
        """A revision's own files."""
        return self.root / "snap" / snap / str(revision)

    def data(self, snap: str, revision: int | str) -> Path:
        """A revision's data; `common` is shared by all revisions."""
        return self.root / "var/snap" / snap / str(revision)
