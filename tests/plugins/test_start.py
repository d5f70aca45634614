"""The plugins start on their own, and load at the start only what every call needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.harness import REPOSITORY, wait_until

NAMES = ["command", "random", "tls"]
# the SDK and the cryptographic libraries take longer to load than all the rest
LATE = ("pulumi", "asyncssh", "cryptography", "bcrypt")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with nothing but what an installed plugin has."""
    shutil.copytree(REPOSITORY / "toolchain" / "plugins", tmp_path / "toolchain" / "plugins")
    (tmp_path / "toolchain" / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_runs_from_a_copy_of_its_package(copied: Path, name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", f"toolchain.plugins.{name}", "127.0.0.1:1"], cwd=copied, stdout=subprocess.PIPE
    )
    assert process.stdout
    port = process.stdout.readline()
    process.terminate()
    process.wait()
    assert port.strip().isdigit()


@pytest.mark.parametrize("name", NAMES)
def test_slow_libraries_are_loaded_late(copied: Path, name: str) -> None:
    code = f"import sys, toolchain.plugins.{name}.__main__; print(*[m for m in {LATE!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=copied, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_without_an_engine_says_what_it_is(name: str) -> None:
    started = subprocess.run(
        [sys.executable, "-m", f"toolchain.plugins.{name}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 2
    assert "to be started by pulumi" in started.stderr


def test_the_engines_own_flags_come_before_its_address() -> None:
    """`pulumi up --tracing=… --logflow --logtostderr -v=9`."""
    argv = [
        sys.executable,
        "-m",
        "toolchain.plugins.random",
        "--logtostderr",
        "-v=9",
        "--tracing",
        "x:1",
        "127.0.0.1:1",
    ]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as plugin:
        assert plugin.stdout
        assert int(plugin.stdout.readline()) > 0
        plugin.terminate()


def test_a_plugin_ends_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'toolchain.plugins.random', 'x:1'], "
        "stdout=subprocess.PIPE); p.stdout.readline(); print(p.pid)"
    )
    starter = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    plugin = Path("/proc", starter.stdout.strip())
    wait_until(lambda: not plugin.exists() or "(zombie)" in (plugin / "status").read_text(), "the plugin ended")
