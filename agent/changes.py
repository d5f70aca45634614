"""What has to change on disk: a bundle, or the removal of one, compared with the host."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace

from agent import disk
from agent.bundle import Bundle, Effect, File, fill_markers
from agent.errors import StepError
from agent.paths import Paths
from agent.records import FileRecord, Record


@dataclass(frozen=True)
class Change:
    """One path that gets another content, owner or mode, or goes away."""

    path: str
    content: bytes | None
    """None: the file goes away, or (with `original`) the file that was there before comes back."""
    uid: int
    gid: int
    mode: int
    effect: Effect
    units: tuple[str, ...]
    check: tuple[str, ...] = ()
    original: str = ""
    """Name of the original that comes back."""


def wanted(file: File, secrets: dict[str, str]) -> Change:
    """The whole of `file` as a change, secrets filled in. Raises `StepError` for an unknown owner or group."""
    return Change(
        path=file.path,
        content=fill_markers(file.content, secrets).encode(),
        uid=disk.user_id(file.owner),
        gid=disk.group_id(file.group),
        mode=file.mode,
        effect=file.effect,
        units=file.units,
        check=file.check,
    )


def put_now(paths: Paths, file: File, secrets: dict[str, str]) -> Change:
    """Have `file` in place at once, where something else wrote it in the middle of a transaction."""
    change = wanted(file, secrets)
    assert change.content is not None  # noqa: S101 - `wanted` makes nothing else
    if not is_in_place(paths, change):
        disk.replace(paths.at(change.path), change.content, change.uid, change.gid, change.mode)
    return change


def to_apply(paths: Paths, bundle: Bundle, record: Record | None) -> list[Change]:
    """Files of the bundle that differ on disk, then files of the last record that the bundle no longer has."""
    changes = []
    for file in bundle.files:
        change = wanted(file, bundle.secrets)
        if not is_in_place(paths, change):
            is_silent = _is_same_for_units(paths, file, record)
            changes.append(replace(change, effect=Effect.NOTHING) if is_silent else change)
    stay = {file.path for file in bundle.files}
    return changes + [undo_of(file) for file in (record.files if record else ()) if file.path not in stay]


def _is_same_for_units(paths: Paths, file: File, record: Record | None) -> bool:
    """True if the file is as we left it and what its units go by in it stays."""
    last = record.file(file.path) if record else None
    if last is None or not file.felt or last.felt != file.felt:
        return False
    try:
        return disk.sha256(paths.at(file.path).read_bytes()) == last.sha256
    except FileNotFoundError:
        return False


def to_remove(paths: Paths, record: Record) -> list[Change]:
    """What brings back the files that were there before the component."""
    changes = [undo_of(file) for file in record.files]
    return [change for change in changes if change.original or disk.exists(paths.at(change.path))]


def undo_of(file: FileRecord) -> Change:
    """Bring back the original of a recorded file, or delete it."""
    return Change(file.path, None, 0, 0, 0, file.effect, file.units, original=file.original)


def is_in_place(paths: Paths, change: Change) -> bool:
    """True if the file on disk is a regular one with this content, owner, group and mode."""
    path = paths.at(change.path)
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(status.st_mode):
        raise StepError(f"{change.path} is a folder on this host: move it away")
    if not stat.S_ISREG(status.st_mode) or change.content is None:
        return False
    same = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (change.uid, change.gid, change.mode)
    return same and status.st_size == len(change.content) and path.read_bytes() == change.content


def effects(changes: list[Change]) -> dict[str, Effect]:
    """The strongest effect for each unit, in the order of the changes."""
    rank = list(Effect)
    strongest: dict[str, Effect] = {}
    for change in changes:
        for unit in change.units:
            strongest[unit] = max(strongest.get(unit, Effect.NOTHING), change.effect, key=rank.index)
    return strongest


def concerns_systemd(changes: list[Change]) -> bool:
    """True if systemd must read its unit files again."""
    return any(os.path.commonpath([change.path, "/etc/systemd/system"]) == "/etc/systemd/system" for change in changes)
