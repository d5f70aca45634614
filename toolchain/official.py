"""The engine as its publisher ships it: on PATH already, or as a release archive."""

import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from toolchain import versions
from toolchain.cache import Cache, digest
from toolchain.downloads import fetch
from toolchain.errors import ChecksumError, ToolchainError

ENGINE: Final = "pulumi"
LANGUAGE_HOST: Final = "pulumi-language-python"
LANGUAGE_HOST_SCRIPT: Final = "pulumi-language-python-exec"

MACHINES: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
ANSWER_WITHIN: Final = 20.0
"""Seconds that a `pulumi version` may take."""


def on_path(environ: Mapping[str, str], cache: Cache) -> Path | None:
    """Folder of an engine on PATH that is new enough and has its Python language host; our own doesn't count."""
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(ENGINE, path=folder)
        if found is None or cache.root in Path(found).resolve().parents:
            continue
        binary = Path(found).resolve()
        if not (binary.parent / LANGUAGE_HOST).exists():
            continue
        if new_enough(version_of(binary, cache.scratch)):
            return binary.parent
    return None


def version_of(engine: Path, home: Path) -> str:
    """What `pulumi version` prints; empty when it doesn't run. Each run leaves a log in its PULUMI_HOME."""
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_HOME": str(home)}
    try:
        done = subprocess.run(
            [engine, "version"], capture_output=True, text=True, timeout=ANSWER_WITHIN, env=quiet, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def new_enough(version: str) -> bool:
    """Whether an engine of this version will do."""
    try:
        return versions.as_numbers(version) >= versions.as_numbers(versions.ENGINE)
    except ValueError:
        return False


class Releases:
    """The publisher's release server."""

    def __init__(self, base: str = versions.RELEASES) -> None:
        self._folder = f"{base}/v{versions.ENGINE}"

    @property
    def checksums(self) -> str:
        """Address of the file with the SHA-256 of each archive."""
        return f"{self._folder}/pulumi-{versions.ENGINE}-checksums.txt"

    def engine(self, cache: Cache) -> Path:
        """Folder of the released engine, downloaded if it isn't there yet.

        Raises:
            DownloadError: it can't be had; the engine may still be built.
            ChecksumError: what came is not what was published.
        """
        archive = archive_name()
        return cache.make("engine", digest("release", archive), lambda work: self._unpack(archive, work))

    def _unpack(self, archive: str, work: Path) -> None:
        listing, packed = work / "checksums.txt", work / archive
        fetch(self.checksums, listing)
        fetch(f"{self._folder}/{archive}", packed, checksum_of(archive, listing.read_text()))
        unpack(packed, work)
        packed.unlink()
        listing.unlink()


def archive_name() -> str:
    """Name of the release archive for this machine.

    Raises:
        ToolchainError: there is none.
    """
    system, machine = platform.system().lower(), platform.machine().lower()
    if system not in ("linux", "darwin") or machine not in MACHINES:
        raise ToolchainError(f"there is no pulumi release for {system} on {machine}; put a pulumi on PATH")
    return f"pulumi-v{versions.ENGINE}-{system}-{MACHINES[machine]}.tar.gz"


def checksum_of(archive: str, listing: str) -> str:
    """The published SHA-256 of an archive.

    Raises:
        ChecksumError: the listing doesn't have it.
    """
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[1].lstrip("*") == archive:
            return fields[0].lower()
    raise ChecksumError(f"{archive} is not in the release's checksum file; put a pulumi on PATH")


def unpack(archive: Path, target: Path) -> None:
    """Take the engine and what it needs for Python out of a release archive; the other languages stay behind.

    Raises:
        ChecksumError: it is no such archive.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                source = tar.extractfile(member) if member.isfile() else None
                if source is None or not (name == ENGINE or "python" in name):
                    continue
                with source, (target / name).open("wb") as file:
                    shutil.copyfileobj(source, file)
                (target / name).chmod(0o755)
    except (tarfile.TarError, EOFError) as error:
        raise ChecksumError(f"{archive.name} is not a release archive: {error}") from error
    if not (target / ENGINE).exists() or not (target / LANGUAGE_HOST).exists():
        raise ChecksumError(f"{archive.name} holds no engine for Python")
