"""Files written whole or not at all, and the lock that a folder is."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.progress import say


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Write `text` beside `path` and rename it into place, with `mode` from the first byte."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


@contextmanager
def locked_folder(folder: Path) -> Iterator[int]:
    """Hold `folder` alone: yields the descriptor that carries the lock.

    The lock belongs to the open file, so a child that inherits the descriptor holds it too; it is released when the
    last one is closed, also by SIGKILL. The folder may be removed meanwhile: whoever waits then takes the new one.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            _lock(folder, descriptor)
            if _same(folder, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _lock(folder: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another lab command that holds {folder}")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _same(folder: Path, descriptor: int) -> bool:
    try:
        there = folder.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
