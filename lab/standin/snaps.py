"""The store of the snapd stand-in: the snap `maas` in each of its tracks, as files that unpack anywhere.

The same sources give the same bytes. Each track has two revisions of one MAAS, `stable` and the newer `candidate`, so
that a refresh has something to do.
"""

import gzip
import io
import json
import tarfile
from pathlib import Path

LIBRARY = Path(__file__).parent / "maas_standin"
META = """\
name: {name}
version: {version}
type: {kind}
"""
APPS = """\
base: core22
confinement: strict
apps:
  maas:
    command: bin/maas
  {daemon}:
    command: bin/run-supervisor
    daemon: simple
"""
SCRIPTS = {
    "bin/maas": '#!/bin/sh\nexec /usr/bin/python3 -m maas_standin.snap_cli "$@"\n',
    "bin/run-supervisor": "#!/bin/sh\nexec /usr/bin/python3 -m maas_standin.snap_supervisor\n",
    "bin/servicectl": '#!/bin/sh\nexec /usr/bin/python3 -m maas_standin.snap_control "$@"\n',
    # post-refresh is a link to the other (maas-facts §1.1).
    "meta/hooks/install": '#!/bin/sh\nexec "$SNAP/bin/maas" migrate --configure\n',
    "meta/hooks/post-refresh": '#!/bin/sh\nexec "$SNAP/bin/maas" migrate --configure\n',
}
BASES = {"core22": ("20240731", 1586), "snapd": ("2.63", 21759)}
"""What comes with the first snap: name → version and revision."""
HTTP = "usr/share/maas/http"
CHANNEL = "latest/stable"

Files = dict[str, str]
"""Path inside a snap → text."""


def write_store(folder: Path, snaps: dict[str, tuple[str, Files]], epoch: int) -> None:
    """Fill `folder`: for each track the version and files of its MAAS, and the bases; `epoch` is every file's time."""
    folder.mkdir(parents=True)
    channels: dict[str, int] = {}
    versions: dict[str, str] = {}
    for track, (version, files) in snaps.items():
        stable = int(track.replace(".", "")) * 1000 + 1
        for risk, revision in (("stable", stable), ("candidate", stable + 1)):
            _pack(folder / f"maas_{revision}.snap", files, epoch)
            channels[f"{track}/{risk}"] = revision
            versions[str(revision)] = version
    offers = {"maas": _offer("app", "core22", channels, versions)}
    for name, (version, revision) in BASES.items():
        kind = "snapd" if name == "snapd" else "base"
        meta = META.format(name=name, version=version, kind=kind)
        _pack(folder / f"{name}_{revision}.snap", {"meta/snap.yaml": meta}, epoch)
        offers[name] = _offer(kind, "", {CHANNEL: revision}, {str(revision): version})
    (folder / "store.json").write_text(json.dumps(offers, indent=1, sort_keys=True))


def maas_files(version: str, trees: list[Path], version_module: str, *, pebble: bool) -> Files:
    """What the snap of one MAAS holds; `trees` are those of the packages whose nginx configuration it shares."""
    meta = META.format(name="maas", version=version, kind="app")
    files = {"meta/snap.yaml": meta + APPS.format(daemon="pebble" if pebble else "supervisor"), **SCRIPTS}
    files |= {f"lib/maas_standin/{path.name}": path.read_text() for path in sorted(LIBRARY.glob("*.py"))}
    files["lib/maas_standin/version.py"] = version_module
    for tree in trees:
        files |= {f"{HTTP}/{path.name}": path.read_text() for path in sorted((tree / HTTP).glob("*"))}
    return files


def _offer(kind: str, base: str, channels: dict[str, int], versions: dict[str, str]) -> dict[str, object]:
    publisher = "canonical**"
    return {"kind": kind, "base": base, "publisher": publisher, "channels": channels, "versions": versions}


def _pack(target: Path, files: Files, epoch: int) -> None:
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), epoch
            entry.mode = 0o755 if text.startswith("#!") else 0o644
            archive.addfile(entry, io.BytesIO(content))
