"""Programs run with a deadline, bounded output and nothing secret around them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.commands import Commands
from agent.errors import StepError
from agent.lock import locked
from agent.masking import Masker
from agent.paths import Paths
from agent.report import Report
from tests.agent.conftest import REPOSITORY


@pytest.fixture
def commands() -> Commands:
    return Commands(Report("h1", Masker()))


def test_input_output_and_code(commands: Commands) -> None:
    done = commands.run("sh", "-c", "cat; echo bad >&2; exit 3", stdin="gabe", check=False)
    assert (done.code, done.stdout, done.stderr, done.complaint) == (3, "gabe", "bad\n", "bad")
    with pytest.raises(StepError, match=r"`sh -c exit 3` failed \(exit 3\)"):
        commands.run("sh", "-c", "exit 3")


def test_missing_program(commands: Commands) -> None:
    with pytest.raises(StepError, match="no-such-program can't be run: No such file or directory"):
        commands.run("no-such-program")


def test_endless_output_is_stopped(commands: Commands) -> None:
    with pytest.raises(StepError, match="printed without end"):
        commands.run("yes", timeout=60)


def test_deadline(commands: Commands) -> None:
    with pytest.raises(StepError, match=r"`sleep 100` didn't end in time"):
        commands.run("sleep", "100", timeout=0.2)


def test_program_that_ignores_its_input(commands: Commands) -> None:
    assert commands.run("true", stdin="x" * 1_000_000).code == 0


def test_daemon_that_keeps_the_output_open(commands: Commands) -> None:
    done = commands.run("sh", "-c", "sleep 5 & echo $!", timeout=60)
    os.kill(int(done.stdout), 9)


def test_environment_is_plain(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "leaks")
    assert set(commands.run("env").stdout.split()) == {"HOME=/root", "LC_ALL=C.UTF-8", f"PATH={os.environ['PATH']}"}


def test_detached_has_no_terminal(commands: Commands) -> None:
    code = "import getpass, sys; sys.stdout.write(getpass.getpass())"
    done = commands.run(sys.executable, "-W", "ignore", "-c", code, stdin="pw\n", detached=True)
    assert done.stdout == "pw"


def test_second_agent_waits_and_names_the_holder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = Paths(tmp_path)
    report = Report("h1", Masker())
    with (
        locked(paths, report),
        pytest.raises(StepError, match=f"process {os.getpid()}"),
        locked(paths, report, wait=0.3),
    ):
        pass
    assert f"h1: waiting for another maas-ha-agent (process {os.getpid()}" in capfd.readouterr().err
    with locked(paths, report, wait=0.3):
        assert paths.state.stat().st_mode & 0o7777 == 0o700


def test_lock_removed_with_the_agent_is_made_anew(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with locked(paths, Report("h1", Masker())):
        paths.lock.unlink()
        paths.state.rmdir()
        with locked(paths, Report("h1", Masker()), wait=0.3):
            assert paths.lock.exists()


def test_program_of_a_killed_agent_keeps_the_lock(tmp_path: Path) -> None:
    """`dbupgrade` goes on when the agent is killed; nobody may start another one meanwhile."""
    pid_file = tmp_path / "pid"
    code = (
        "import pathlib, sys; from agent.commands import *; from agent.lock import *; from agent.masking import *;"
        "from agent.paths import *; r = Report('h', Masker());"
        "lock = locked(Paths(pathlib.Path(sys.argv[1])), r); d = lock.__enter__();"
        "Commands(r, d).run('sh', '-c', f'echo $$ >{sys.argv[2]}; exec sleep 100', hold_lock=True)"
    )
    agent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "root"), str(pid_file)], cwd=REPOSITORY)
    deadline = time.monotonic() + 60
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    agent.kill()
    agent.wait()
    paths = Paths(tmp_path / "root")
    try:
        with pytest.raises(StepError, match=f"process {agent.pid}"), locked(paths, Report("h", Masker()), wait=0.3):
            pass
    finally:
        os.kill(int(pid_file.read_text()), 9)
    with locked(paths, Report("h", Masker()), wait=30):
        pass
