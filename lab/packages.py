"""The package repository that is the hosts' only apt source: the distribution's packages and the MAAS stand-in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from lab.cache import cache_folder, cached, key_of, source_hash
from lab.errors import LabError
from lab.image import run_private, write_configuration
from lab.machine import require_space
from lab.namespaces import SCRIPTS
from lab.progress import run_long
from lab.sources import Release

PACKAGES = (
    "bind9",
    "chrony",
    "etcd-client",
    "etcd-server",
    "haproxy",
    "ipmitool",
    "isc-dhcp-client",
    "isc-dhcp-server",
    "keepalived",
    "nginx-core",
    "openipmi",
    "patroni",
    "postgresql",
    "postgresql-client",
    "python3-psycopg2",
)
"""What a host may install from the distribution; dependencies and the stand-in's own come with them."""

PACKAGES_BYTES = 1000 * 2**20
STANDIN = Path(__file__).parent / "standin"


def repository(release: Release, base: Path, maas: str) -> Path:
    """The repository's folder for one MAAS version, made where it isn't cached. Raises LabError."""
    standin = _standin(maas)
    depends = {deb.name: _control(deb) for deb in sorted(standin.glob("*.deb"))}
    inputs = {"base": base.parent.name, "packages": PACKAGES, "depends": depends}
    scripts = source_hash(Path(__file__), SCRIPTS / "download-packages.sh", SCRIPTS / "private-apt.sh")
    downloaded = _download(release, base, standin, key_of(inputs | {"scripts": scripts}))

    def build(folder: Path, lock: int) -> None:
        folder.chmod(0o755)
        for deb in (*downloaded.glob("*.deb"), *standin.glob("*.deb")):
            _link(deb, folder / deb.name)
        (folder / "Packages").write_text((downloaded / "Packages").read_text() + _scan(standin, lock))
        (folder / "Release").write_text(_release_file(folder / "Packages"))

    return cached("repository", _repository_key(standin, downloaded), build)


def _download(release: Release, base: Path, standin: Path, key: str) -> Path:
    def build(folder: Path, lock: int) -> None:
        require_space(folder, PACKAGES_BYTES)
        scratch = folder / "scratch"
        scratch.mkdir()
        configuration = write_configuration(release, scratch / "configuration")
        wanted = (*PACKAGES, *(_field(deb, "Package") for deb in standin.glob("*.deb")))
        arguments = (str(base), str(scratch), str(configuration), str(standin), str(folder), *wanted)
        run_private("downloading the hosts' packages", "download-packages.sh", arguments, "packages", lock)
        shutil.rmtree(scratch)
        (folder / "Packages").write_text(_scan(folder, lock))

    return cached("packages", key, build)


def _standin(maas: str) -> Path:
    """The stand-in's .deb files for a MAAS version."""

    def build(folder: Path, lock: int) -> None:
        folder.chmod(0o755)
        log = cache_folder() / "standin.log"
        log.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "lab.standin.build", "--version", maas, "--out", str(folder)]
        run_long(f"building the MAAS {maas} stand-in", argv, log, pass_fds=[lock])
        if not any(folder.glob("*.deb")):
            raise LabError(f"the stand-in's build made no package (log: {log})")

    return cached("standin", f"{maas}-{key_of({'sources': source_hash(STANDIN)})}", build)


def _repository_key(standin: Path, downloaded: Path) -> str:
    return key_of({"standin": standin.name, "downloaded": downloaded.name})


def _release_file(index: Path) -> str:
    """A Release file, without which apt tries ten names for the index of a flat repository."""
    content = index.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    return f"Origin: lab\nLabel: lab\nSuite: lab\nDate: {date}\nSHA256:\n {digest} {len(content)} {index.name}\n"


def _scan(folder: Path, lock: int) -> str:
    argv = ["dpkg-scanpackages", "--multiversion", "."]
    found = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, pass_fds=[lock])
    if found.returncode != 0:
        raise LabError(f"dpkg-scanpackages failed: {found.stderr.strip()[-300:]}")
    return found.stdout


def _control(deb: Path) -> str:
    return "\n".join(_field(deb, name) for name in ("Package", "Version", "Pre-Depends", "Depends", "Recommends"))


def _field(deb: Path, name: str) -> str:
    found = subprocess.run(["dpkg-deb", "--field", str(deb), name], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy(source, target)
