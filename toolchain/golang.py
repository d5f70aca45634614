"""The engine and its Python language host, built from the Go module proxy."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolchain import versions
from toolchain.cache import Cache, digest
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.errors import ToolchainError
from toolchain.official import ENGINE, LANGUAGE_HOST, LANGUAGE_HOST_SCRIPT
from toolchain.progress import say

PKG: Final = "github.com/pulumi/pulumi/pkg/v3"
SDK: Final = "github.com/pulumi/pulumi/sdk/v3"
LINKED: Final = f"-s -w -X {SDK}/go/common/version.Version=v{versions.ENGINE}"
FLAGS: Final = ("-mod=readonly", "-buildvcs=false", "-trimpath")
PROXY_REMEDY: Final = "is the Go module proxy reachable? GOPROXY names another one"


@dataclass(frozen=True)
class GoModule:
    """One of our two modules, and the program that it pins."""

    folder: Path
    package: str
    program: str

    @property
    def needs(self) -> tuple[int, ...]:
        """Oldest Go that builds it: the `go` line of its go.mod."""
        line = re.search(r"^go (\S+)$", (self.folder / "go.mod").read_text(), re.MULTILINE)
        if line is None:
            raise ToolchainError(f"{self.folder}/go.mod has no go line; restore it from git")
        return versions.as_numbers(line[1])


def modules(checkout: Checkout) -> tuple[GoModule, GoModule]:
    """The engine's module and the language host's."""
    return (
        GoModule(checkout.toolchain / "engine", f"{PKG}/cmd/pulumi", ENGINE),
        GoModule(
            checkout.toolchain / "language-host",
            f"{SDK}/python/cmd/pulumi-language-python",
            LANGUAGE_HOST,
        ),
    )


def build_key(checkout: Checkout) -> str:
    """Stands for all that the two binaries are made from, but the compiler."""
    sums = [(module.folder / name).read_bytes() for module in modules(checkout) for name in ("go.mod", "go.sum")]
    return digest("built", platform.system(), platform.machine(), LINKED, *FLAGS, *sums)


def build(checkout: Checkout, cache: Cache, commands: Commands, go_from_pypi: Callable[[], Path]) -> Path:
    """Folder of the built engine and language host.

    Args:
        checkout: with the two Go modules.
        cache: where it is kept.
        commands: runs the compiler.
        go_from_pypi: fetches a Go when there is none on PATH.

    Raises:
        ToolchainError: no Go, no module proxy, no space.
    """
    engine, language_host = modules(checkout)
    key = build_key(checkout)
    if cache.entry("engine", key).is_dir():
        return cache.entry("engine", key)
    say(f"no pulumi {versions.ENGINE} to download here; building it from Go modules, 5 to 10 minutes on two cores")
    own = go_on_path(max(engine.needs, language_host.needs))
    go = own or go_from_pypi()
    with cache.workspace("go") as temporary:
        # The operator's own Go keeps what it downloads and compiles where it always does; ours leaves nothing.
        env = {**go_environment(go, temporary), **({} if own else private_caches(temporary))}

        def fill(work: Path) -> None:
            for module in (engine, language_host):
                compile_module(module, go, env, work, commands)
            shutil.copy(script_of(language_host, go, env, commands), work / LANGUAGE_HOST_SCRIPT)
            (work / LANGUAGE_HOST_SCRIPT).chmod(0o755)

        return cache.make("engine", key, fill)


def go_on_path(needed: tuple[int, ...]) -> Path | None:
    """The `go` on PATH, if it is new enough."""
    found = shutil.which("go")
    if found is None:
        return None
    try:
        # GOTOOLCHAIN=local: the version that is here, not one that it would download.
        env = {**os.environ, "GOTOOLCHAIN": "local"}
        said = subprocess.run([found, "version"], capture_output=True, text=True, timeout=20, env=env, check=False)
        version = re.search(r"\bgo(\d+(?:\.\d+)+)", said.stdout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(found) if version and versions.as_numbers(version[1]) >= needed else None


def go_environment(go: Path, temporary: Path) -> dict[str, str]:
    """Environment in which this Go builds the same thing everywhere."""
    # A GOROOT left over from another Go would mix two compilers.
    inherited = {name: value for name, value in os.environ.items() if name != "GOROOT"}
    return {
        **inherited,
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "",
        "GOTMPDIR": str(temporary),
    }


def private_caches(folder: Path) -> dict[str, str]:
    """Variables that keep Go's caches in a folder that can be removed afterwards."""
    return {
        "GOCACHE": str(folder / "build"),
        "GOMODCACHE": str(folder / "modules"),
        "GOFLAGS": "-modcacherw",
    }


def compile_module(module: GoModule, go: Path, env: Mapping[str, str], target: Path, commands: Commands) -> None:
    """Build one module's program into `target`."""
    commands.run(
        [go, "build", "-v", *FLAGS, "-ldflags", LINKED, "-o", target / module.program, module.package],
        doing=f"building {module.program}",
        remedy=PROXY_REMEDY,
        env=env,
        cwd=module.folder,
        counting="modules and packages",
    )


def script_of(module: GoModule, go: Path, env: Mapping[str, str], commands: Commands) -> Path:
    """The Python script that the language host runs programs with; it lies in the SDK's module."""
    said = commands.run(
        [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK],
        doing="looking for the language host's script",
        remedy=PROXY_REMEDY,
        env=env,
        cwd=module.folder,
    )
    return Path(said.splitlines()[-1]) / "python" / "cmd" / LANGUAGE_HOST_SCRIPT
