"""The base image that every host's overlay lies on: debootstrap of the machine's own release."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lab.cache import cache_folder, cached, key_of, source_hash
from lab.machine import require_space
from lab.namespaces import BOUND_TO_PARENT, PRIVATE, SCRIPTS
from lab.progress import run_long
from lab.snapshot import Identity, digests
from lab.sources import Release, Source, apt_settings, proxy_environment

BASE_PACKAGES = (
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "less",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)
"""A plain minimal server, and Python for the agent."""

BASE_BYTES = 1500 * 2**20


def base_image(release: Release) -> Path:
    """The base's root folder, made where it isn't cached. Raises LabError (mirror unreachable, disk full)."""
    key = key_of(
        {
            "distribution": release.distribution,
            "codename": release.codename,
            "architecture": release.architecture,
            "sources": [source.line() for source in release.sources],
            "packages": BASE_PACKAGES,
            "scripts": source_hash(SCRIPTS / "build-base.sh", SCRIPTS / "private-apt.sh"),
        }
    )

    def build(folder: Path, lock: int) -> None:
        require_space(folder, BASE_BYTES)
        folder.chmod(0o755)
        configuration = write_configuration(release, folder / "configuration")
        main = release.main
        arguments = (
            str(folder / "root"),
            release.codename,
            main.uri,
            ",".join(main.components),
            ",".join(BASE_PACKAGES),
            dict(main.options).get("signed-by", ""),
            str(configuration),
        )
        what = f"building the base image ({release.distribution} {release.codename} from {_host(main.uri)})"
        run_private(what, "build-base.sh", arguments, "base", lock)
        shutil.rmtree(configuration)

    return cached("base", key, build) / "root"


def base_digests(base: Path) -> Mapping[Identity, str]:
    """Digests of the base's files, computed where they aren't cached."""

    def build(folder: Path, _: int) -> None:
        lines = (f"{' '.join(map(str, identity))} {digest}\n" for identity, digest in digests(base).items())
        (folder / "sha256").write_text("".join(lines))

    # An image that was removed and built again under the same key has other inodes.
    stamp = base.stat()
    kept = cached("digests", key_of({"base": str(base), "inode": stamp.st_ino, "changed": stamp.st_ctime_ns}), build)
    known: dict[Identity, str] = {}
    for line in (kept / "sha256").read_text().splitlines():
        inode, size, content_changed, changed, digest = line.split()
        known[int(inode), int(size), int(content_changed), int(changed)] = digest
    return known


def run_private(what: str, script: str, arguments: Sequence[str], log: str, lock: int) -> None:
    """Run one of the scripts in namespaces of its own. Raises LabError."""
    path = cache_folder() / f"{log}.log"
    path.unlink(missing_ok=True)
    run_long(
        what,
        [*BOUND_TO_PARENT, *PRIVATE, "bash", str(SCRIPTS / script), *arguments],
        path,
        env=proxy_environment(),
        pass_fds=[lock],
    )


def write_configuration(release: Release, folder: Path) -> Path:
    """Write the machine's apt configuration for /run/lab-apt of a root folder: sources, keyrings, proxies, logins."""
    folder.mkdir(mode=0o700)
    sources = [_with_keyring_in(folder, source) for source in release.sources]
    (folder / "sources.list").write_text("".join(f"{source.line()}\n" for source in sources))
    settings = [
        'Dir::Etc::sourcelist "/run/lab-apt/sources.list";',
        'Dir::Etc::sourceparts "-";',
        'Dir::Etc::netrcparts "/run/lab-apt/auth.conf.d";',
        'Dir::State::lists "/run/lab-apt/lists";',
        'Acquire::Languages "none";',
    ]
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    if authorities.exists():
        shutil.copy(authorities, folder / "ca.crt")
        settings.append('Acquire::https::CAInfo "/run/lab-apt/ca.crt";')
    if Path("/etc/apt/auth.conf.d").exists():
        shutil.copytree("/etc/apt/auth.conf.d", folder / "auth.conf.d")
    (folder / "apt.conf").write_text("\n".join(settings) + "\n" + apt_settings())
    return folder


def _host(uri: str) -> str:
    """The mirror as it may be shown: without a login."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _with_keyring_in(folder: Path, source: Source) -> Source:
    options = []
    for option, value in source.options:
        if option == "signed-by" and value.startswith("/"):
            keyring = Path(value.split(",")[0])
            shutil.copy(keyring, folder / keyring.name)
            options.append((option, f"/run/lab-apt/{keyring.name}"))
        else:
            options.append((option, value))
    return Source(source.uri, source.suite, source.components, tuple(options))
