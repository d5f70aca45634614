"""What is installed, and the one change at a time."""

import dataclasses
import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import CHANGE_IN_PROGRESS, SnapError
from .places import Places


@dataclass
class Installed:
    """One snap on the host."""

    name: str
    kind: str
    base: str
    revision: int
    version: str
    publisher: str
    tracking: str
    held: bool = False
    """Whether general refreshes pass it over."""


class State:
    """All snaps on the host. Read at once, written whole."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.held_all = False
        self.snaps: dict[str, Installed] = {}
        try:
            raw = json.loads(places.state.read_text())
        except FileNotFoundError:
            return
        self.held_all = raw["held_all"]
        self.snaps = {name: Installed(**fields) for name, fields in raw["snaps"].items()}

    def save(self) -> None:
        """Write it, in one step."""
        raw = {"held_all": self.held_all, "snaps": {n: dataclasses.asdict(s) for n, s in self.snaps.items()}}
        self._places.state.parent.mkdir(parents=True, exist_ok=True)
        new = self._places.state.with_suffix(".new")
        new.write_text(json.dumps(raw, indent=1))
        new.replace(self._places.state)


@contextmanager
def change(places: Places, name: str, kind: str) -> Iterator[State]:
    """The state, to be changed by this process alone. Raises SnapError, exit code 10, if another one does."""
    places.lock.parent.mkdir(parents=True, exist_ok=True)
    with places.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SnapError(f'snap "{name}" has "{kind}" change in progress', CHANGE_IN_PROGRESS) from None
        state = State(places)
        yield state
        state.save()
