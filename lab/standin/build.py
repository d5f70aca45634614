"""Build the stand-in's .deb packages: `python -m lab.standin.build --version 3.4|3.5|3.6|3.7 --out DIR`.

The same sources give the same bytes (owner root, fixed times and modes): a repository of them can be cached by content.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.standin.snaps import Files, maas_files, write_store

LONG_VERSIONS = {
    "3.4": "3.4.10-14366-g.518bf2c80",
    "3.5": "3.5.10-16453-g.6f0c1f6f5",
    "3.6": "3.6.5-17694-g.b2a4c09d1",
    "3.7": "3.7.3-18119-g.1e9d70c42",
}
"""What each MAAS calls itself: seen for 3.4 (maas-facts §0a); of the others only the release is real."""

PACKAGES = ("maas-common", "maas-cli", "maas-region-api", "maas-rack-controller", "snapd")
TREES = Path(__file__).parent / "packages"
LIBRARY = Path(__file__).parent / "maas_standin"
DIST_PACKAGES = "usr/lib/python3/dist-packages"
SNAPD_LIBRARY = Path(__file__).parent / "snapd_standin"
LIBRARIES = {"maas-common": LIBRARY, "snapd": SNAPD_LIBRARY}
"""The package that brings each library."""
STORE = "usr/lib/snapd/standin-store"
HTTP_PACKAGES = ("maas-common", "maas-region-api", "maas-rack-controller")
"""Whose nginx configuration the snap has too."""
EPOCH = 1767225600
"""The time of every file, 2026-01-01."""


class BuildError(Exception):
    """A package can't be built; the text says which and why."""


def package_version(version: str) -> str:
    """The Debian version of the packages for MAAS `version`, such as `1:3.4.10-14366-g.518bf2c80-0standin1`."""
    return f"1:{LONG_VERSIONS[version]}-0standin1"


def build(version: str, out: Path) -> list[Path]:
    """Build the packages for MAAS `version` ("3.4" … "3.7") into `out`, in the order of their dependencies.

    Raises:
        BuildError: no such version, or dpkg-deb fails or is missing.
    """
    if version not in LONG_VERSIONS:
        raise BuildError(f"no stand-in for MAAS {version}: choose one of {', '.join(LONG_VERSIONS)}")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="standin-") as scratch:
        return [_build_package(name, version, Path(scratch) / name, out) for name in PACKAGES]


def _build_package(name: str, version: str, root: Path, out: Path) -> Path:
    for tree in _trees(name, version):
        shutil.copytree(tree, root, dirs_exist_ok=True)
    if library := LIBRARIES.get(name):
        target = root / DIST_PACKAGES / library.name
        shutil.copytree(library, target, ignore=shutil.ignore_patterns("__pycache__"))
        if library == LIBRARY:
            (target / "version.py").write_text(_version_module(version))
    if name == "snapd":  # with every MAAS in its store, whatever the version of the packages beside it
        write_store(root / STORE, {track: (LONG_VERSIONS[track], _snap(track)) for track in LONG_VERSIONS}, EPOCH)
    control = root / "DEBIAN/control"
    text = control.read_text().replace("@VERSION@", package_version(version))
    control.write_text(text)
    _settle(root)
    own = next(line.removeprefix("Version: ") for line in text.splitlines() if line.startswith("Version: "))
    deb = out / f"{name}_{own.removeprefix('1:')}_all.deb"
    _dpkg_deb(root, deb)
    return deb


def _snap(track: str) -> Files:
    trees = [tree for name in HTTP_PACKAGES for tree in _trees(name, track)]
    return maas_files(LONG_VERSIONS[track], trees, _version_module(track), pebble=_minor(track) >= (3, 5))


def _trees(name: str, version: str) -> list[Path]:
    """The package's tree, then what came with a later MAAS: `NAME@3.5` is laid over it from 3.5 on."""
    later = sorted(tree for tree in TREES.glob(f"{name}@*") if _minor(tree.name.split("@")[1]) <= _minor(version))
    return [TREES / name, *later]


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


def _version_module(version: str) -> str:
    long = LONG_VERSIONS[version]
    return (
        '"""Which MAAS this installation claims to be."""\n\n'
        f"LONG: str = {long!r}\nSHORT: str = {long.split('-')[0]!r}\nMINOR: tuple[int, int] = {_minor(version)!r}\n"
    )


def _settle(root: Path) -> None:
    """Give every file the mode that a package has, whatever the umask of the checkout, and the same time."""
    for path in [root, *root.rglob("*")]:
        if path.is_dir() or path.stat().st_mode & 0o100:
            path.chmod(0o755)
        else:
            path.chmod(0o440 if path.parent.name == "sudoers.d" else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def _dpkg_deb(root: Path, deb: Path) -> None:
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(deb)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError("dpkg-deb is missing: apt-get install dpkg") from None
    if done.returncode != 0:
        raise BuildError(f"{deb.name}: {done.stderr.strip()}")


def main() -> int:
    """Build from the command line."""
    parser = argparse.ArgumentParser(prog="python -m lab.standin.build", description="Build the MAAS stand-in.")
    parser.add_argument("--version", choices=LONG_VERSIONS, required=True, help="the MAAS to stand in for")
    parser.add_argument("--out", type=Path, required=True, help="folder for the packages")
    arguments = parser.parse_args()
    try:
        for deb in build(arguments.version, arguments.out):
            print(deb)
    except (BuildError, OSError) as error:
        print(f"standin build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
