"""What the machine was like before the first bundle, so that removal can tell what came since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from agent import disk
from agent.errors import StepError
from agent.paths import Paths
from agent.typed import BundleError, read_typed

FOLDERS = ("/etc", "/var/lib", "/var/log", "/var/cache", "/var/spool", "/srv", "/opt")
"""Where packages make folders of their own."""
UNITS = "/etc/systemd/system"


@dataclass(frozen=True)
class Before:
    """The machine as it was."""

    entries: dict[str, tuple[str, ...]]
    """Names in each of `FOLDERS`."""
    links: tuple[str, ...]
    """Symbolic links below /etc/systemd/system."""
    etc: tuple[str, ...]
    """Regular files below /etc."""
    state_dirs: tuple[str, ...]
    """State folders that bundles have named since."""

    def had(self, path: str) -> bool:
        """True if `path` was there, or if that isn't known: then it isn't ours to remove."""
        pure = PurePosixPath(path)
        names = self.entries.get(str(pure.parent))
        return names is None or pure.name in names


def note(paths: Paths, state_dirs: tuple[str, ...]) -> None:
    """Look at the machine the first time; add `state_dirs` to those that bundles have named."""
    before = load(paths) or Before(
        entries={path: _names(paths, path) for path in FOLDERS},
        links=tuple(unit_links(paths)),
        etc=tuple(sorted(path for path in _below(paths, "/etc") if _is_regular(paths, path))),
        state_dirs=(),
    )
    named = tuple(dict.fromkeys((*before.state_dirs, *state_dirs)))
    if named != before.state_dirs or not paths.host_before.exists():
        disk.write_private(paths.host_before, json.dumps(asdict(before) | {"state_dirs": named}))


def load(paths: Paths) -> Before | None:
    """What `note` wrote, or None. Raises `StepError` if it can't be read."""
    try:
        before = read_typed(Before, json.loads(paths.host_before.read_text()), "before")
    except FileNotFoundError:
        return None
    except (ValueError, BundleError) as error:
        raise StepError(f"{paths.host_before} can't be read: {error}") from None
    assert isinstance(before, Before)  # noqa: S101 - read_typed gives what it was asked for
    return before


def new_entries(paths: Paths) -> list[str]:
    """What lies in `FOLDERS` now and didn't before."""
    before = load(paths)
    names = [f"{folder}/{name}" for folder in FOLDERS for name in _names(paths, folder)]
    return [name for name in names if before and not before.had(name)]


def unit_links(paths: Paths) -> list[str]:
    """Symbolic links below /etc/systemd/system."""
    return sorted(path for path in _below(paths, UNITS) if paths.at(path).is_symlink())


def dangling_unit_links(paths: Paths) -> list[str]:
    """Links below /etc/systemd/system that lead nowhere and weren't there before."""
    before = load(paths)
    return [link for link in unit_links(paths) if before and link not in before.links and not paths.at(link).exists()]


@contextmanager
def etc_kept(paths: Paths) -> Iterator[None]:
    """Bring back files below /etc that were there before and that a purge inside takes away (`/etc/default/locale`)."""
    before = load(paths)
    aside = paths.state / "etc"
    aside.mkdir(exist_ok=True, mode=0o700)
    owned = {line for listing in _listings(paths) for line in listing.read_text().splitlines()}
    copies = {path: aside / disk.sha256(path.encode()) for path in before.etc if path not in owned} if before else {}
    for path, copy in copies.items():
        if paths.at(path).is_file() and not disk.exists(copy):
            disk.copy_aside(paths.at(path), copy)
    try:
        yield
    finally:
        for path, copy in copies.items():
            if disk.exists(copy) and not disk.exists(paths.at(path)) and paths.at(path).parent.is_dir():
                disk.copy_aside(copy, paths.at(path))
        disk.remove_tree(aside)


def _listings(paths: Paths) -> list[Path]:
    """dpkg's lists of the files of each package."""
    return list(paths.at("/var/lib/dpkg/info").glob("*.list"))


def _is_regular(paths: Paths, path: str) -> bool:
    return paths.at(path).is_file() and not paths.at(path).is_symlink()


def _below(paths: Paths, folder: str) -> list[str]:
    return ["/" + str(path.relative_to(paths.root)) for path in paths.at(folder).rglob("*")]


def _names(paths: Paths, folder: str) -> tuple[str, ...]:
    path = paths.at(folder)
    return tuple(sorted(child.name for child in path.iterdir())) if path.is_dir() else ()
