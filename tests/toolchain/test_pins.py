"""What is pinned agrees with what asks for it, and names no registry."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.toolchain.conftest import PROJECT
from toolchain import versions

LOCKS = ("requirements.lock", "toolchain/bootstrap/uv.txt", "toolchain/bootstrap/go.txt")
MODULES = sorted((PROJECT / "toolchain").glob("*.py"))
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
DIRECT = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]


def pinned(lock: str) -> dict[str, list[str]]:
    """Name to versions; more than one where they differ by platform."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (PROJECT / lock).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("requirement", DIRECT)
def test_lock_has_every_direct_dependency(requirement: str) -> None:
    wanted = Requirement(requirement)
    locked = pinned("requirements.lock").get(canonicalize_name(wanted.name))
    assert locked, f"{requirement} is not in requirements.lock; run `make lock`"
    assert all(wanted.specifier.contains(version) for version in locked), "requirements.lock is stale; run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    text = (PROJECT / lock).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert not line.strip() or line.startswith("#") or "--hash=sha256:" in line, line


@pytest.mark.parametrize("lock", LOCKS)
def test_no_registry_is_named(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    assert "://" not in text
    assert "index" not in text


def test_plugins_are_of_their_sdk_packages_versions() -> None:
    asked = dict(re.findall(r"^pulumi-(\w+)==(\S+)$", "\n".join(PYPROJECT["project"]["dependencies"]), re.MULTILINE))
    assert asked == versions.PLUGINS


def test_engine_is_of_its_modules_version() -> None:
    text = (PROJECT / "toolchain/engine/go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{versions.ENGINE}" in text


def test_python_is_the_projects() -> None:
    assert PYPROJECT["project"]["requires-python"] == ">=" + ".".join(map(str, versions.PYTHON))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_nothing_but_the_standard_library(module: Path) -> None:
    """It runs before anything is installed, on the Python that a bare machine has."""
    tree = ast.parse(module.read_text(), feature_version=(3, 10))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= {*sys.stdlib_module_names, "toolchain"}
    # Newer than 3.10, which setup still starts on.
    assert imported.isdisjoint({"tomllib"})
