"""The `lab` command: its help, and one line for each foreseeable problem."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.cli import app, main
from lab.cluster import Lab
from lab.errors import LabError
from lab.image import base_image
from lab.machine import TOOLS, require_tools
from lab.sources import Release, Source
from tests.lab.traces import free_network

ROOT = Path(__file__).parents[2]
COMMANDS = ("up", "down", "status", "ssh", "exec", "env", "reset", "poweroff", "poweron", "reboot", "snapshot")


def lab(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        input="in\n",
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_line(found: subprocess.CompletedProcess[str], pattern: str) -> None:
    assert found.returncode == 1
    last = found.stderr.splitlines()[-1]
    assert last.startswith("lab: ")
    assert re.search(pattern, last), found.stderr
    assert "Traceback" not in found.stderr


def test_every_command_is_there_with_an_example() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", listed)
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert re.search(rf"Example: .*lab {command}", shown.output)


def test_who_is_not_root_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for command in ("up", "down", "status"):
        monkeypatch.setattr("sys.argv", ["lab", command])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        assert "run it with sudo" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_tools_that_cannot_be_installed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    apt = tmp_path / "bin/apt-get"
    apt.write_text("#!/bin/sh\necho 'E: no network'; exit 100\n")
    apt.chmod(0o755)
    for command in set(TOOLS) - {"debootstrap"}:
        (tmp_path / "bin" / command).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(LabError, match=r"apt-get install debootstrap \(.*E: no network"):
        require_tools(tmp_path)


def test_missing_tools_elsewhere_than_on_debian_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"needs debootstrap, .*; it runs on Debian and Ubuntu"):
        require_tools(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status"], "there is no lab 'dev'"),
        (["exec", "db1", "--", "true"], "there is no lab 'dev'"),
        (["env"], "there is no lab 'dev'"),
        (["reset", "db1"], "there is no lab 'dev'"),
        (["ssh", "db1"], "there is no lab 'dev'"),
        (["up", "--network", "10.0.0.0/8"], "give a /24"),
        (["up", "--hosts", "db1"], "write name:octet"),
        (["up", "--name", "../x"], "is no name"),
    ],
)
def test_a_mistake_is_said_in_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("sys.argv", ["lab", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lab: ")
    assert said in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.lab
def test_an_unreachable_mirror_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    source = Source("http://127.0.0.1:9/debian", "bookworm", ("main",))
    with pytest.raises(
        LabError, match=r"building the base image \(debian bookworm from http://127\.0\.0\.1:9/debian\) failed: E: "
    ):
        base_image(Release("debian", "bookworm", "amd64", (source,)))


@pytest.mark.lab
def test_a_full_disk_is_said_before_the_work(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=64m tmpfs {tmp_path} && cd {tmp_path} && {sys.executable} -m lab.cli up"
    found = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{script} --network {free_network()}"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_line(found, r"has \d+ MiB free and the lab needs \d+ MiB there")


@pytest.mark.lab
def test_status_exec_env_and_snapshot(tiny: Lab) -> None:
    folder = tiny.place.folder.parent.parent
    status = json.loads(lab(folder, "status", "--json", "--name", "tiny").stdout)
    assert [(host["name"], host["state"]) for host in status["hosts"]] == [("one", "running"), ("two", "running")]
    assert status["hosts"][0]["address"] == str(tiny.host("one").address)
    assert status["known_hosts"] == str(tiny.known_hosts)
    ran = lab(folder, "exec", "--name", "tiny", "one", "--", "sh", "-c", "cat; echo err >&2; exit 5")
    assert (ran.returncode, ran.stdout, ran.stderr) == (5, "in\n", "err\n")
    assert lab(folder, "env", "--name", "tiny").stdout == f"export SSH_AUTH_SOCK='{tiny.place.agent_socket}'\n"
    assert lab(folder, "snapshot", "one", "--out", "before", "--name", "tiny").returncode == 0
    assert "/etc/hostname file 0644 0:0 4 " in (folder / "before").read_text()
    (folder / "before").unlink()
    assert lab(folder, "ssh", "one", "--name", "tiny", "--", "id", "-un").stdout == "deploy\n"
