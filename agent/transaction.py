"""stage → check → swap → (units, health: see `apply`) → commit, or roll back to what was there.

Every step is written to the journal before it happens. A transaction is committed at one instant: when the record that
names it is renamed into place (or, for a removal, unlinked). Before it all can be undone, after it only finished.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from agent import disk
from agent.changes import Change, concerns_systemd
from agent.commands import Commands
from agent.errors import StepError
from agent.journal import Journal, Touched
from agent.paths import Paths
from agent.records import Record, Records, UnitBefore
from agent.report import Report
from agent.units import Units

CHECK_TIMEOUT = 60.0
"""Seconds for one check of a staged file."""


class Transaction:
    """One change of one component on this host. Nothing is written to disk before the first change."""

    def __init__(self, paths: Paths, commands: Commands, report: Report, component: str, *, removing: bool) -> None:
        self._paths = paths
        self._commands = commands
        self._report = report
        self._journal = Journal(secrets.token_hex(8), component, removing)
        self._changes: list[Change] = []
        self.begun = False
        """True once something had to change."""

    @property
    def identity(self) -> str:
        """Names this transaction in the record that commits it."""
        return self._journal.transaction

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that this transaction made."""
        return self._journal.folders

    @property
    def units_before(self) -> dict[str, UnitBefore]:
        """State before this transaction of the units that it told something."""
        return self._journal.units_before

    def touch_unit(self, name: str, before: UnitBefore, verb: str) -> None:
        """Write to the journal that `verb` is about to be given to a unit."""
        self._journal.units_before.setdefault(name, before)
        if verb != "enable" or name not in self._journal.units_touched:
            self._journal.units_touched[name] = verb
        self._begin()

    def makes(self, path: str) -> None:
        """Write to the journal that a file may come to be at `path`, where none is: an undo removes it."""
        self._journal.files = (*self._journal.files, Touched(path, existed=False))
        self._begin()

    def empty(self, folders: tuple[str, ...]) -> None:
        """Folders that this removal leaves empty go with its commit."""
        self._journal.folders = folders
        if folders:
            self._begin()

    def swap(self, changes: list[Change]) -> None:
        """Stage and check all of `changes`, then put them in place. Raises `StepError` before anything is in place."""
        if not changes:
            return
        self._report.step("stage files")
        self._changes = changes
        self._journal.files = tuple(Touched(c.path, disk.exists(self._paths.at(c.path))) for c in changes)
        made = [folder for c in changes if c.content is not None for folder in self._missing(c)]
        self._journal.folders = tuple(dict.fromkeys((*self._journal.folders, *made)))
        self._begin()
        for change in changes:
            self._stage(change)
        for change in changes:
            self._check(change)
        self._report.step("swap files")
        for change in changes:
            self._replace(change)
        for folder in {self._paths.at(change.path).parent for change in changes}:
            disk.sync_folder(folder)
        if concerns_systemd(changes):
            self._commands.run("systemctl", "daemon-reload", timeout=120)

    def keep_original(self, path: str) -> str:
        """Keep a copy of the file that was at `path` before this transaction; its name, or empty if there was none."""
        target = self._paths.at(path)
        touched = next((file for file in self._journal.files if file.path == path), None)
        # A file that already was as it should be hasn't been touched: it is its own original.
        before = disk.kept(target) if touched else target
        if touched and not touched.existed:
            return ""
        name = f"{self.identity}-{disk.sha256(path.encode())[:16]}"
        self._paths.originals.mkdir(exist_ok=True, mode=0o700)
        disk.copy_aside(before, self._paths.originals / name)
        return name

    def is_committed(self, records: Records) -> bool:
        """True from the instant on at which its record is in place, or of a removal is gone."""
        return _is_committed(self._journal, records.load(self._journal.component))

    def close(self) -> None:
        """After the commit: nothing is left of the transaction."""
        if self.begun:
            finish(self._paths, self._journal)

    def roll_back(self) -> None:
        """Bring back files and units as they were."""
        if self.begun:
            undo(self._paths, self._journal, self._commands, self._report)

    def _begin(self) -> None:
        self.begun = True
        self._journal.save(self._paths)

    def _missing(self, change: Change) -> list[str]:
        root = self._paths.root
        return ["/" + str(folder.relative_to(root)) for folder in disk.missing_folders(self._paths.at(change.path))]

    def _stage(self, change: Change) -> None:
        target = self._paths.at(change.path)
        try:
            if change.content is not None:
                for folder in disk.missing_folders(target):
                    folder.mkdir(mode=0o755)
                    disk.sync_folder(folder.parent)
                disk.write_new(disk.staged(target), change.content, change.uid, change.gid, change.mode)
            elif change.original and target.parent.is_dir():
                disk.copy_aside(self._paths.originals / change.original, disk.staged(target))
        except OSError as error:
            raise StepError(f"{change.path} can't be written: {error.strerror}") from None

    def _check(self, change: Change) -> None:
        if not change.check:
            return
        self._report.step(f"check {change.path}")
        place = str(disk.staged(self._paths.at(change.path)))
        argv = [part.replace("{staged}", place) for part in change.check]
        done = self._commands.run(*argv, timeout=CHECK_TIMEOUT, check=False)
        if done.code != 0:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()][:6]
            said = "\n".join(lines).replace(place, change.path) or f"exit code {done.code}"
            raise StepError(f"{argv[0]} refuses the new {change.path}: {said}")

    def _replace(self, change: Change) -> None:
        target = self._paths.at(change.path)
        try:
            if disk.exists(target):
                disk.kept(target).unlink(missing_ok=True)
                disk.kept(target).hardlink_to(target) if not target.is_symlink() else _link_symlink(target)
            if disk.exists(disk.staged(target)):
                disk.staged(target).rename(target)
            else:
                target.unlink(missing_ok=True)
        except OSError as error:
            raise StepError(f"{change.path} can't be replaced: {error.strerror}") from None


def _link_symlink(target: Path) -> None:
    """Keep a symbolic link itself, not what it points to."""
    disk.copy_aside(target, disk.kept(target))


def recover(paths: Paths, commands: Commands, report: Report, records: Records) -> bool:
    """Finish or undo the transaction that a crash interrupted. True if there was one."""
    journal = Journal.load(paths)
    if journal is None:
        return False
    record = records.load(journal.component)
    if _is_committed(journal, record):
        report.step(f"finish the interrupted change of {journal.component}")
        finish(paths, journal)
    else:
        report.step(f"undo the interrupted change of {journal.component}")
        undo(paths, journal, commands, report)
    return True


def _is_committed(journal: Journal, record: Record | None) -> bool:
    if journal.removing:
        return record is None
    return record is not None and record.transaction == journal.transaction


def finish(paths: Paths, journal: Journal) -> None:
    """Drop what was kept for undoing a committed transaction."""
    for file in journal.files:
        target = paths.at(file.path)
        disk.kept(target).unlink(missing_ok=True)
        disk.staged(target).unlink(missing_ok=True)
    if journal.removing:
        remove_empty(paths, journal.folders)
    _drop_journal(paths)


def undo(paths: Paths, journal: Journal, commands: Commands, report: Report) -> None:
    """Bring back the files and units of an uncommitted transaction; running it twice does no harm.

    What can't be restored is told and doesn't stop the rest; files that can't be restored leave the journal in place.
    """
    report.say("restoring what was there before")
    for file in reversed(journal.files):
        put_back(paths.at(file.path), file.existed)
    remove_empty(paths, journal.folders)
    if any(f.path.startswith("/etc/systemd/system/") for f in journal.files):
        with suppress(StepError):
            commands.run("systemctl", "daemon-reload", timeout=120)
    units = Units(commands, report, lambda name, before, verb: None)
    for name, verb in journal.units_touched.items():
        try:
            units.restore(name, journal.units_before[name], verb)
        except StepError as error:
            report.say(f"not restored: {error.cause}")
    for copy in paths.originals.glob(f"{journal.transaction}-*"):
        copy.unlink(missing_ok=True)
    _drop_journal(paths)


def remove_empty(paths: Paths, folders: tuple[str, ...]) -> None:
    """Remove those of `folders`, given outermost first, in which nothing lives."""
    for folder in reversed(folders):
        with suppress(OSError):
            paths.at(folder).rmdir()


def put_back(target: Path, existed: bool) -> None:
    """Bring back the kept file, or remove what was put where none was."""
    disk.staged(target).unlink(missing_ok=True)
    kept = disk.kept(target)
    if disk.exists(kept):
        kept.rename(target)
        kept.unlink(missing_ok=True)  # rename does nothing between two names of one file
    elif not existed:
        target.unlink(missing_ok=True)
    disk.sync_folder(target.parent)


def _drop_journal(paths: Paths) -> None:
    paths.journal.unlink(missing_ok=True)
    disk.sync_folder(paths.state)
