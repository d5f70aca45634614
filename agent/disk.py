"""Files written so that a crash leaves the old or the new one, never half of one."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from agent.errors import StepError

STAGED_SUFFIX = ".maas-ha-new"
KEPT_SUFFIX = ".maas-ha-old"


def staged(target: Path) -> Path:
    """Where the next content of `target` is prepared: beside it, hidden from tools that read whole folders."""
    return target.with_name(f".{target.name}{STAGED_SUFFIX}")


def kept(target: Path) -> Path:
    """Where the previous `target` stays until the transaction is committed."""
    return target.with_name(f".{target.name}{KEPT_SUFFIX}")


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable; a folder that is gone has nothing to sync."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_new(path: Path, content: bytes, uid: int, gid: int, mode: int) -> None:
    """A new file at `path`; owner and mode are set before the content is in it."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def replace(path: Path, content: bytes, uid: int, gid: int, mode: int) -> None:
    """A file with this content, owner and mode at `path`, in one step and durably."""
    write_new(staged(path), content, uid, gid, mode)
    staged(path).rename(path)
    sync_folder(path.parent)


def write_private(path: Path, text: str) -> None:
    """Replace a file of the agent's own (0600), durably."""
    replace(path, text.encode(), os.getuid(), os.getgid(), 0o600)


def keep(written: Path, target: Path) -> None:
    """Give a file that another program wrote its name, durably."""
    descriptor = os.open(written, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    written.rename(target)
    sync_folder(target.parent)


def copy_aside(source: Path, target: Path) -> None:
    """A copy of a file or symbolic link with its owner and mode, durably."""
    target.unlink(missing_ok=True)
    status = source.lstat()
    if stat.S_ISLNK(status.st_mode):
        target.symlink_to(source.readlink())
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    else:
        write_new(target, source.read_bytes(), status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    sync_folder(target.parent)


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def exists(path: Path) -> bool:
    """True for anything at `path`, a dangling link too."""
    return os.path.lexists(path)


def user_id(name: str) -> int:
    """Numeric id of user `name`. Raises `StepError` if the host has none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise StepError(f"the host has no user {name}: is the package that makes it installed?") from None


def group_id(name: str) -> int:
    """Numeric id of group `name`. Raises `StepError` if the host has none."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise StepError(f"the host has no group {name}: is the package that makes it installed?") from None


def missing_folders(path: Path) -> list[Path]:
    """Folders above `path` that don't exist, outermost first."""
    missing = []
    for folder in path.parents:
        if exists(folder):
            break
        missing.append(folder)
    return missing[::-1]


def remove_tree(path: Path) -> None:
    """Remove a folder with all in it, or a file; links aren't followed."""
    if not exists(path):
        return
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for child in path.iterdir():
        remove_tree(child)
    path.rmdir()
