"""A manifest of a host's files, to compare before and after."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

VOLATILE = (
    "dev",
    "proc",
    "run",
    "srv/packages",
    "sys",
    "tmp",
    "var/backups",
    "var/cache",
    "var/lib/apt",
    "var/lib/systemd",
    "var/log",
    "var/tmp",
)
"""Folders whose content changes by itself, or isn't the host's own."""


Identity = tuple[int, int, int, int]
"""Inode, size, times of the last changes of content and inode (ns); a file of an overlay's lower layer keeps them."""


def digests(root: Path) -> dict[Identity, str]:
    """SHA-256 of every regular file below `root`: computed once for a base, true for every host that has the file."""
    known: dict[Identity, str] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            file = Path(folder) / name
            found = file.lstat()
            if stat.S_ISREG(found.st_mode):
                known[_identity(found)] = _sha256(file)
    return known


def manifest(root: Path, known: Mapping[Identity, str]) -> list[str]:
    """Sorted lines `path type mode owner:group size digest` of all under `root` but the volatile folders.

    `known` saves reading the files that are still the base's.

    Owners are numbers. A file's digest is its SHA-256, a link's is its target; folders have no size, as that depends on
    the file system. Files that vanish while it looks are left out.
    """
    lines: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}".lstrip("/")
                try:
                    found = entry.stat(follow_symlinks=False)
                    lines.append(_line(path, Path(entry.path), found, known))
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(found.st_mode) and path not in VOLATILE:
                    pending.append(path)
    return sorted(lines)


def _line(path: str, file: Path, found: os.stat_result, known: Mapping[Identity, str]) -> str:
    mode = stat.S_IMODE(found.st_mode)
    kind, size, digest = "other", 0, "-"
    if stat.S_ISREG(found.st_mode):
        kind, size, digest = "file", found.st_size, known.get(_identity(found)) or _sha256(file)
    elif stat.S_ISLNK(found.st_mode):
        kind, digest = "link", str(file.readlink())
    elif stat.S_ISDIR(found.st_mode):
        kind = "dir"
    return f"/{path} {kind} {mode:04o} {found.st_uid}:{found.st_gid} {size} {digest}"


def _identity(found: os.stat_result) -> Identity:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
