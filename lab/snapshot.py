"""A manifest of a host's files, to compare before and after."""

from __future__ import annotations

import hashlib
import os
import stat
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


def manifest(root: Path) -> list[str]:
    """Sorted lines `path type mode owner:group size digest` of all under `root` but the volatile folders.

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
                    lines.append(_line(path, Path(entry.path), found))
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(found.st_mode) and path not in VOLATILE:
                    pending.append(path)
    return sorted(lines)


def _line(path: str, file: Path, found: os.stat_result) -> str:
    mode = stat.S_IMODE(found.st_mode)
    kind, size, digest = "other", 0, "-"
    if stat.S_ISREG(found.st_mode):
        with file.open("rb") as stream:
            kind, size, digest = "file", found.st_size, hashlib.file_digest(stream, "sha256").hexdigest()
    elif stat.S_ISLNK(found.st_mode):
        kind, digest = "link", str(file.readlink())
    elif stat.S_ISDIR(found.st_mode):
        kind = "dir"
    return f"/{path} {kind} {mode:04o} {found.st_uid}:{found.st_gid} {size} {digest}"
