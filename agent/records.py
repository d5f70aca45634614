"""What the agent remembers of a component: enough to compare, to undo, and no secret."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

from agent import disk
from agent.bundle import SETTINGS, Effect, Settings
from agent.errors import StepError
from agent.paths import Paths
from agent.typed import BundleError, read_typed


@dataclass(frozen=True)
class UnitBefore:
    """A unit as it was before the component came."""

    active: bool
    enabled: bool


@dataclass(frozen=True)
class FileRecord:
    """A file as it was written."""

    path: str
    sha256: str
    owner: str
    group: str
    mode: int
    effect: Effect
    units: tuple[str, ...]
    original: str
    """Name in the folder of originals of the file that was there before; empty if there was none."""
    felt: str = ""
    """As in the bundle."""


@dataclass(frozen=True)
class Record:
    """A component on this host as of its last commit."""

    transaction: str
    """Identity of the transaction that committed it."""
    host: str
    component: str
    settings: Settings
    files: tuple[FileRecord, ...]
    folders: tuple[str, ...]
    """Folders that were made for the files, outermost first."""
    units: tuple[str, ...]
    units_before: dict[str, UnitBefore]
    state_dirs: tuple[str, ...]
    facts: dict[str, str] = field(default_factory=dict)
    """What the role wants to know next time."""

    @property
    def role(self) -> str:
        """Name of the role: a key of `SETTINGS`."""
        return next(role for role, kind in SETTINGS.items() if type(self.settings) is kind)

    def file(self, path: str) -> FileRecord | None:
        """The record of one file."""
        return next((file for file in self.files if file.path == path), None)


class Records:
    """The records of all components on this host."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def load(self, component: str) -> Record | None:
        """The record of `component`, or None. Raises `StepError` if it can't be read."""
        path = self._paths.records / f"{component}.json"
        try:
            raw = json.loads(path.read_text())
            role = raw.pop("role")
            settings = read_typed(SETTINGS[role], raw.pop("settings"), "settings")
            record = read_typed(Record, raw | {"settings": settings}, "record")
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, AttributeError, BundleError) as error:
            raise StepError(
                f"the record {path} can't be read ({error}): restore it from a backup of the host"
            ) from None
        assert isinstance(record, Record)  # noqa: S101 - read_typed gives what it was asked for
        return record

    def all(self) -> list[Record]:
        """Every record, by component name."""
        names = sorted(path.stem for path in self._paths.records.glob("*.json"))
        return [record for record in map(self.load, names) if record]

    def save(self, record: Record) -> None:
        """Commit `record`."""
        self._paths.records.mkdir(exist_ok=True, mode=0o700)
        text = json.dumps(dataclasses.asdict(record) | {"role": record.role}, sort_keys=True)
        disk.write_private(self._paths.records / f"{record.component}.json", text)

    def forget(self, component: str) -> None:
        """Commit the removal of `component`."""
        (self._paths.records / f"{component}.json").unlink(missing_ok=True)
        disk.sync_folder(self._paths.records)
