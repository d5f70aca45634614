"""Folders that are made once, kept by what they were made from, and never seen half-made."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.progress import Waiting


def digest(*parts: str | bytes) -> str:
    """16 hex digits that stand for these parts in this order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def tree_digest(root: Path, files: list[Path]) -> str:
    """Stands for names and contents of these files below `root`."""
    parts: list[str | bytes] = []
    for path in sorted(files):
        parts += [path.relative_to(root).as_posix(), path.read_bytes()]
    return digest(*parts)


@dataclass(frozen=True)
class Cache:
    """The user's cache folder for this project. Safe to delete whenever no setup is running."""

    root: Path

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> "Cache":
        """`${XDG_CACHE_HOME:-~/.cache}/maas-ha`."""
        base = environ.get("XDG_CACHE_HOME") or ""
        # The XDG rule: a relative path is to be ignored.
        return cls((Path(base) if base.startswith("/") else Path.home() / ".cache") / "maas-ha")

    @property
    def scratch(self) -> Path:
        """Unfinished work, on the same file system as what it becomes."""
        return self.root / "tmp"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One setup at a time; also sweeps away what a killed one left."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with Waiting("waiting for another setup to end"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
            yield

    def entry(self, kind: str, key: str) -> Path:
        """Where the folder of this kind and key is, or would be."""
        return self.root / kind / key

    def make(self, kind: str, key: str, fill: Callable[[Path], None]) -> Path:
        """The folder of this kind and key; `fill` writes it if it isn't there yet.

        It appears whole or not at all: `fill` works in a scratch folder that is renamed at the end.
        """
        entry = self.entry(kind, key)
        if entry.is_dir():
            return entry
        entry.parent.mkdir(parents=True, exist_ok=True)
        with self.workspace(kind) as work:
            fill(work)
            work.rename(entry)
        return entry

    @contextlib.contextmanager
    def workspace(self, label: str) -> Iterator[Path]:
        """A scratch folder that is gone afterwards, however the work ends."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{label}-", dir=self.scratch))
        try:
            work.chmod(0o755)
            yield work
        finally:
            with Waiting(f"removing temporary files of {label}"):
                shutil.rmtree(work, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
