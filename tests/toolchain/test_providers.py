"""A bundled plugin runs from its own copy, whatever lies around it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain.conftest import Sandbox
from toolchain.errors import ToolchainError
from toolchain.providers import pack


@pytest.fixture
def packed(sandbox: Sandbox, tmp_path: Path) -> Path:
    pack(sandbox.root / "toolchain" / "plugins", "tls", tmp_path / "packed")
    return tmp_path / "packed" / "pulumi-resource-tls"


def project_python() -> str:
    """The environment's own name for itself: a symbolic link elsewhere would lose its packages."""
    return str(Path(sys.prefix) / "bin" / "python")


def launch(launcher: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Start a plugin as the engine does, with the project's Python first on PATH."""
    env = {**os.environ, "PATH": f"{Path(project_python()).parent}:/usr/bin:/bin"}
    return subprocess.run([launcher, "127.0.0.1:1"], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_runs_its_copy(packed: Path, tmp_path: Path) -> None:
    done = launch(packed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(packed.parent / "toolchain/plugins/tls/__main__.py"), "127.0.0.1:1"]


def test_a_checkout_around_it_does_not_matter(packed: Path, sandbox: Sandbox) -> None:
    done = launch(packed, sandbox.root)
    assert done.stdout.startswith(str(packed.parent))


def test_works_where_it_is_moved_to(packed: Path, tmp_path: Path) -> None:
    moved = packed.parent.rename(tmp_path / "moved")
    done = launch(moved / packed.name, tmp_path)
    assert done.stdout.startswith(str(moved))


def test_another_python_is_told_what_is_missing(packed: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run([packed, "x"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "python3 -m toolchain env" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_missing_plugin_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="nonesuch"):
        pack(sandbox.root / "toolchain" / "plugins", "nonesuch", tmp_path / "packed")
