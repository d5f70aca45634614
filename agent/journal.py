"""The transaction under way, on disk before the first change, so that a crash can be undone."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

from agent import disk
from agent.errors import StepError
from agent.paths import Paths
from agent.records import UnitBefore
from agent.typed import BundleError, read_typed


@dataclass(frozen=True)
class Touched:
    """A file that the transaction writes or deletes."""

    path: str
    existed: bool


@dataclass
class Journal:
    """What has to be undone; written ahead of every step."""

    transaction: str
    component: str
    removing: bool
    """True for a removal: committed when the record is gone, otherwise when the record names this transaction."""
    files: tuple[Touched, ...] = ()
    folders: tuple[str, ...] = ()
    units_before: dict[str, UnitBefore] = field(default_factory=dict)
    units_touched: dict[str, str] = field(default_factory=dict)
    """Unit and the verb of systemctl that was about to be given."""

    def save(self, paths: Paths) -> None:
        """Write the journal durably."""
        disk.write_private(paths.journal, json.dumps(dataclasses.asdict(self)))

    @classmethod
    def load(cls, paths: Paths) -> Journal | None:
        """The journal of an interrupted transaction, or None. Raises `StepError` if it can't be read."""
        try:
            journal = read_typed(cls, json.loads(paths.journal.read_text()), "journal")
        except FileNotFoundError:
            return None
        except (ValueError, BundleError) as error:
            raise StepError(f"the journal {paths.journal} can't be read: {error}") from None
        assert isinstance(journal, cls)  # noqa: S101 - read_typed gives what it was asked for
        return journal
