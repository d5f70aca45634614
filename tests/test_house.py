"""Each folder keeps to its room (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
ROOMS = ("agent", "components", "config", "lab", "ops", "toolchain")


def imports(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def imported_by(room: str) -> dict[str, set[str]]:
    """Package → files of the room that import it."""
    found: dict[str, set[str]] = {}
    files = [PROJECT / "__main__.py"] if room == "__main__" else sorted((PROJECT / room).rglob("*.py"))
    assert files
    for path in files:
        for package in imports(path):
            found.setdefault(package, set()).add(str(path.relative_to(PROJECT)))
    return found


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("config", {"components", "ops", "lab", "toolchain", "agent"}),
        ("components", {"ops", "lab", "toolchain", "socket", "asyncssh", "urllib", "subprocess"}),
        ("ops", {"components", "lab", "toolchain"}),
        ("lab", {"agent", "components", "config", "ops", "toolchain"}),
        ("policy", {"agent", "components", "config", "lab", "ops", "toolchain"}),
        ("provider", {"agent", "lab", "ops", "toolchain"}),
        ("toolchain", {"agent", "components", "config", "ops", "lab"}),
        ("__main__", {"lab", "ops", "toolchain", "agent"}),
    ],
)
def test_a_room_does_not_import(room: str, forbidden: set[str]) -> None:
    found = imported_by(room)
    assert {package: found[package] for package in forbidden & found.keys()} == {}


@pytest.mark.parametrize("room", [*ROOMS, "policy", "provider", "__main__"])
def test_nobody_imports_the_bench(room: str) -> None:
    assert "bench" not in imported_by(room)


def test_the_probe_is_not_the_products() -> None:
    path = PROJECT / "bench" / "probe.py"
    assert set(imports(path)) <= {"lab"} | sys.stdlib_module_names


def test_the_agent_needs_only_the_standard_library() -> None:
    assert imported_by("agent").keys() - sys.stdlib_module_names == {"agent"}


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("pulumi_command", "components/host.py"),
        ("pulumi_random", "components/cluster_secrets.py"),
        ("pulumi_tls", "components/cluster_secrets.py"),
    ],
)
def test_a_provider_has_one_importer(package: str, file: str) -> None:
    importers = {path for room in ("components", "config", "ops") for path in imported_by(room).get(package, set())}
    assert importers == {file}


def test_only_load_reads_the_configuration() -> None:
    for room in ("components", "config", "ops"):
        for path in (PROJECT / room).rglob("*.py"):
            assert ("pulumi.Config(" in path.read_text(encoding="utf-8")) == (path.name == "load.py"), path


def test_the_program_is_short() -> None:
    assert len((PROJECT / "__main__.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_the_product_never_knows_the_lab() -> None:
    for room in ("agent", "components", "config", "ops"):
        for path in (PROJECT / room).rglob("*.py"):
            words = path.read_text(encoding="utf-8").lower().replace("(", " ").split()
            assert not {"lab", "lab.", "stand-in", "nspawn"} & set(words), path


@pytest.mark.parametrize("path", sorted(PROJECT.glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_a_committed_stack_file_asks_for_nobodys_passphrase(path: Path) -> None:
    """The engine writes a checkout's own salt into it; with it no other checkout's `make up` would begin."""
    argv = ["git", "show", f":{path.name}"]
    committed = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert "encryptionsalt" not in committed
