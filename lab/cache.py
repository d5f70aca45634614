"""Things made once and kept, keyed by the content of what went in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.files import locked_folder
from lab.progress import say


def cache_folder() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/maas-ha/lab`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "maas-ha" / "lab"


Build = Callable[[Path, int], None]
"""Fills the folder it is given; the number is the lock that its children should inherit."""


def key_of(inputs: Mapping[str, object]) -> str:
    """Twelve hex digits that change with any of the inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def source_hash(*paths: Path) -> str:
    """Hash of source files, by name and content; folders with all below them but compiled files."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def cached(kind: str, key: str, build: Build) -> Path:
    """The folder `<kind>-<key>` of the cache; `build` fills it where it isn't there yet.

    It appears under its name only when it is complete; one builder at a time, across labs and processes, and a builder
    that was killed leaves nothing that the next one doesn't clear.
    """
    folder = cache_folder()
    done = folder / f"{kind}-{key}"
    if done.exists():
        return done
    with locked_folder(folder / f"{kind}.lock") as lock:
        if done.exists():
            return done
        unfinished = folder / f"{kind}.unfinished"
        if unfinished.exists():
            say(f"clearing what an interrupted build left in {unfinished}")
            shutil.rmtree(unfinished)
        unfinished.mkdir()
        build(unfinished, lock)
        unfinished.rename(done)
    return done
