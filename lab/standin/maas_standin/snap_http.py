"""nginx's packaged configuration, in the snap with the snap's paths (maas-facts §8)."""

import os
from pathlib import Path

from .paths import Paths

TEMPLATES = "usr/share/maas/http"
"""Below the snap; `lab.standin.snaps` puts the packages' files there."""


def render(paths: Paths, mode: str) -> None:
    """The files for a mode: `nginx.conf`, and one for each role."""
    folder = paths.state / "http"
    for wanted in (folder / "tmp", folder / "run", paths.logs):
        wanted.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.nginx.conf"):
        stale.unlink()
    names = ["nginx.conf", *(f"{role}d.nginx.conf" for role in mode.split("+") if role in ("region", "rack"))]
    for name in names:
        (folder / name).write_text(text(paths, name), encoding="utf-8")


def source(paths: Paths) -> Path:
    """The folder with the packaged texts."""
    return (Path(os.environ.get("SNAP", "/snap/maas/current")) if paths.snap else paths.root) / TEMPLATES


def text(paths: Paths, name: str) -> str:
    """The packaged text of that name, with the places where this installation has its files."""
    packaged = (source(paths) / name).read_text(encoding="utf-8")
    for of_deb, of_snap in _places(paths).items() if paths.snap else ():
        packaged = packaged.replace(of_deb, of_snap)
    return packaged


def _places(paths: Paths) -> dict[str, str]:
    """Longest first: a folder within another is replaced before it."""
    return {
        "user maas maas;": "user root root;",
        "/var/log/maas/http/": f"{paths.state}/http/",
        "/run/maas/http/": f"{paths.state}/http/run/",
        "/var/lib/maas": str(paths.state),
    }
