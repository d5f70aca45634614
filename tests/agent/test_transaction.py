"""A transaction does all or nothing, tells little, and does nothing the second time."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.bundle import Bundle, Effect, File, HostSettings
from agent.errors import InterruptedBySignalError
from agent.records import Record, Records
from agent.trouble import ToldError
from tests.agent.conftest import REPOSITORY, FakeHost, Local

A, B = "a.service", "b.service"


def bundle(*files: File, units: tuple[str, ...] = (A, B), secrets: dict[str, str] | None = None) -> Bundle:
    """A bundle of the plainest role."""
    return Bundle("h1", "plain", HostSettings(), files=files, units=units, secrets=secrets or {})


def conf(
    content: str,
    effect: Effect = Effect.RELOAD,
    path: str = "/etc/app/a.conf",
    *,
    owner: str = "root",
    mode: int = 0o644,
    check: tuple[str, ...] = (),
) -> File:
    """A file that unit A reads."""
    return File(path, content, owner, mode=mode, check=check, effect=effect, units=(A,))


def up(machine: FakeHost) -> None:
    """Both units are there, B as a package leaves it."""
    machine.unit(A, "disabled inactive")
    machine.unit(B, "enabled inactive")


def test_first_apply_writes_enables_and_starts(machine: FakeHost) -> None:
    up(machine)
    done = machine.agent("apply", bundle=bundle(conf("x <<secret:word>>", mode=0o640), secrets={"word": "hunter22"}))
    assert done.returncode == 0, done.stderr
    assert machine.read("/etc/app/a.conf") == "x hunter22"
    assert (machine.root / "etc/app/a.conf").stat().st_mode & 0o7777 == 0o640
    assert machine.calls() == [f"enable {A}", f"start {A}", f"start {B}"]
    assert "hunter22" not in done.stdout + done.stderr


def test_second_apply_changes_nothing_and_asks_little(machine: FakeHost) -> None:
    up(machine)
    same = bundle(conf("x"))
    machine.outputs(same)
    machine.calls()
    before = machine.snapshot()
    record = machine.root / "var/lib/maas-ha/records/plain.json"
    stamp = record.stat().st_mtime_ns
    machine.outputs(same)
    log = (machine.outside / "systemctl.log").read_text().splitlines()
    assert log == [f"show {A} {B}"]
    assert machine.snapshot() == before
    assert record.stat().st_mtime_ns == stamp


def test_strongest_effect_wins_and_only_for_what_changed(machine: FakeHost) -> None:
    up(machine)
    other = conf("1", Effect.RESTART, "/etc/app/b.conf")
    machine.outputs(bundle(conf("1"), other))
    machine.calls()
    machine.outputs(bundle(conf("2"), other))
    assert machine.calls() == [f"reload {A}"]
    machine.outputs(bundle(conf("3"), dataclasses.replace(other, content="2")))
    assert machine.calls() == [f"restart {A}"]


def test_owner_or_mode_alone_is_a_change(machine: FakeHost) -> None:
    up(machine)
    machine.outputs(bundle(conf("1")))
    machine.calls()
    (machine.root / "etc/app/a.conf").chmod(0o666)
    machine.outputs(bundle(conf("1")))
    assert machine.calls() == [f"reload {A}"]
    os.chown(machine.root / "etc/app/a.conf", 1, 1)
    machine.outputs(bundle(conf("1")))
    assert machine.calls() == [f"reload {A}"]
    assert (machine.root / "etc/app/a.conf").stat().st_uid == 0


def test_a_file_that_left_the_bundle_goes_and_its_original_comes_back(machine: FakeHost) -> None:
    up(machine)
    machine.write("/etc/app/b.conf", "before us", 0o604)
    first = bundle(conf("1"), conf("ours", path="/etc/app/b.conf"), conf("new", path="/etc/app/c.conf"))
    machine.outputs(first)
    machine.calls()
    machine.outputs(bundle(conf("1")))
    assert machine.read("/etc/app/b.conf") == "before us"
    assert (machine.root / "etc/app/b.conf").stat().st_mode & 0o7777 == 0o604
    assert not (machine.root / "etc/app/c.conf").exists()
    assert machine.calls() == [f"reload {A}"]
    assert not list((machine.root / "var/lib/maas-ha/originals").iterdir())


def test_refused_check_leaves_everything(machine: FakeHost) -> None:
    up(machine)
    machine.outputs(bundle(conf("1")))
    machine.calls()
    before = machine.snapshot()
    check = ("sh", "-c", 'grep -q good "$0" || { echo "line 1 of $0: bad" >&2; exit 1; }', "{staged}")
    done = machine.agent(
        "apply", bundle=bundle(conf("bad"), conf("good", path="/etc/app/z", check=check), conf("bad", check=check))
    )
    assert done.returncode == 1
    assert machine.snapshot() == before
    assert machine.calls() == []
    assert done.stderr.splitlines()[-1] == (
        "h1: check /etc/app/a.conf: sh refuses the new /etc/app/a.conf: line 1 of /etc/app/a.conf: bad"
    )


def test_check_sees_owner_mode_and_secrets(machine: FakeHost) -> None:
    up(machine)
    check = ("sh", "-c", 'test "$(stat -c %a:%u "$0")" = 600:1 && grep -q s3cret "$0"', "{staged}")
    file = conf("<<secret:p>>", owner="daemon", mode=0o600, check=check)
    machine.outputs(bundle(file, secrets={"p": "s3cret"}))


def test_failed_start_restores_files_and_unit_states(machine: FakeHost) -> None:
    up(machine)
    machine.write("/etc/app/a.conf", "original")
    machine.hook("start", B, "exit 1")
    before = machine.snapshot()
    done = machine.agent("apply", bundle=bundle(conf("1"), conf("2", path="/etc/new/folder/x")))
    assert done.returncode == 1
    assert machine.snapshot() == before
    lines = done.stderr.splitlines()[-3:]
    assert lines == [
        f"h1: start {B}: systemctl start {B} failed: Job for {B} failed.",
        f"last lines of {B}:",
        f"  log of {B}",
    ]


def test_failed_reload_brings_the_old_file_back_to_the_unit(machine: FakeHost) -> None:
    up(machine)
    machine.outputs(bundle(conf("good")))
    machine.calls()
    machine.hook("reload", A, f'grep -q good "{machine.root}/etc/app/a.conf"')
    done = machine.agent("apply", bundle=bundle(conf("broken")))
    assert done.returncode == 1
    assert machine.read("/etc/app/a.conf") == "good"
    assert machine.calls() == [f"reload {A}", f"reload-or-restart {A}"]


def test_a_unit_that_does_not_stay_up_is_a_failure(machine: FakeHost) -> None:
    up(machine)
    unit = machine.outside / "units" / A
    machine.hook("start", B, f"echo enabled inactive >{unit}")
    done = machine.agent("apply", bundle=bundle(conf("1")))
    assert done.returncode == 1
    assert f"{A} isn't active after its start" in done.stderr


def test_unknown_unit_owner_and_folder_are_told(machine: FakeHost) -> None:
    up(machine)
    done = machine.agent("apply", bundle=bundle(conf("1"), units=("nope.service",)))
    assert "this host has no unit nope.service" in done.stderr
    done = machine.agent("apply", bundle=bundle(conf("1", owner="nobody-here")))
    assert "the host has no user nobody-here" in done.stderr
    (machine.root / "etc/app/a.conf").mkdir(parents=True)
    done = machine.agent("apply", bundle=bundle(conf("1")))
    assert "/etc/app/a.conf is a folder on this host" in done.stderr
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_message_has_at_most_twenty_masked_lines(machine: FakeHost) -> None:
    up(machine)
    machine.program("journalctl", 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i hunter22 aHVudGVyMjI="; done')
    script = 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "bad hunter22" >&2; done; exit 1'
    machine.hook("start", A, script)
    done = machine.agent("apply", bundle=bundle(conf("1"), secrets={"p": "hunter22"}))
    message = done.stderr.splitlines()
    message = message[next(i for i, line in enumerate(message) if "failed" in line) :]
    assert 5 < len(message) <= 20
    assert "hunter22" not in done.stderr
    assert "aHVudGVyMjI" not in done.stderr
    assert "line 60 [secret] [secret]=" in done.stderr


def test_symbolic_link_is_replaced_and_comes_back(machine: FakeHost) -> None:
    up(machine)
    machine.write("/etc/app/real", "real")
    (machine.root / "etc/app/a.conf").symlink_to("real")
    before = machine.snapshot()
    machine.outputs(bundle(conf("1")))
    assert machine.read("/etc/app/real") == "real"
    assert not (machine.root / "etc/app/a.conf").is_symlink()
    done = machine.agent("remove", bundle=bundle(conf("1")))
    assert done.returncode == 0, done.stderr
    assert machine.snapshot() == before


def test_remove_restores_everything_and_twice_is_fine(machine: FakeHost) -> None:
    up(machine)
    machine.unit(B, "enabled active")
    machine.write("/etc/app/a.conf", "original", 0o600)
    before = machine.snapshot()
    full = bundle(conf("1"), conf("2", path="/etc/other/x/y.conf"))
    machine.outputs(full)
    assert machine.unit(A) == "enabled active"
    done = machine.agent("remove", bundle=full)
    assert done.returncode == 0, done.stderr
    assert machine.snapshot() == before
    assert not (machine.root / "var/lib/maas-ha").exists()
    assert machine.agent("remove", bundle=full).returncode == 0


def test_drop_in_of_systemd_reloads_systemd(machine: FakeHost) -> None:
    up(machine)
    machine.outputs(bundle(File("/etc/systemd/system/a.service.d/x.conf", "[Unit]\n"), units=()))
    assert machine.calls() == ["daemon-reload"]


@pytest.mark.parametrize("method", ["save", "forget"])
def test_a_signal_in_the_very_commit_undoes_nothing(
    local: Local, machine: FakeHost, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Half of it would be left: the record of the one state, and files and originals of the other."""
    up(machine)
    machine.write("/etc/app/a.conf", "before us")
    if method == "forget":
        local.apply(bundle(conf("1")))
    whole: Callable[..., None] = getattr(Records, method)

    def stopped(records: Records, given: Record | str) -> None:
        whole(records, given)
        raise InterruptedBySignalError("SIGTERM")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Records, method, stopped)
        with pytest.raises(ToldError, match="stopped by SIGTERM"):
            (local.apply if method == "save" else local.remove)(bundle(conf("1")))
    assert machine.read("/etc/app/a.conf") == ("1" if method == "save" else "before us")
    assert (Records(local.paths).load("plain") is not None) == (method == "save")
    assert not (machine.root / "var/lib/maas-ha/journal.json").exists()
    local.remove(bundle(conf("1")))
    assert machine.read("/etc/app/a.conf") == "before us"


def test_signal_rolls_back(machine: FakeHost) -> None:
    up(machine)
    ready = machine.outside / "ready"
    machine.hook("start", B, f"touch {ready}; exec sleep 60")
    before = machine.snapshot()
    code = "import pathlib, sys; from agent.__main__ import main; sys.exit(main(['apply'], pathlib.Path(sys.argv[1])))"
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(machine.root)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=machine.environment,
            text=True,
        )
        assert process.stdin
        process.stdin.write(bundle(conf("1")).to_json())
        process.stdin.close()
        process.stdin = None
        wait_for(ready)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert f"stopped by {number.name}" in stderr
        assert machine.snapshot() == before


def test_closed_output_does_not_stop_it(machine: FakeHost) -> None:
    up(machine)
    code = "import pathlib, sys; from agent.__main__ import main; sys.exit(main(['apply'], pathlib.Path(sys.argv[1])))"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(machine.root)],
            input=bundle(conf("1")).to_json().encode(),
            stdout=writer,
            stderr=writer,
            cwd=REPOSITORY,
            env=machine.environment,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert machine.read("/etc/app/a.conf") == "1"


def test_full_disk_leaves_everything(machine: FakeHost, tmp_path: Path) -> None:
    up(machine)
    (machine.root / "etc/small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", machine.root / "etc/small"], check=True)
    try:
        before = machine.snapshot()
        big = conf("x" * 200_000, path="/etc/small/big")
        done = machine.agent("apply", bundle=bundle(conf("1"), big))
        assert done.returncode == 1
        assert "/etc/small/big can't be written: No space left on device" in done.stderr
        assert machine.snapshot() == before
    finally:
        subprocess.run(["umount", machine.root / "etc/small"], check=True)


def test_full_disk_of_the_agent_is_named(machine: FakeHost, tmp_path: Path) -> None:
    """Its journal can't be written: nothing is begun."""
    up(machine)
    assert machine.agent("apply", bundle=bundle(conf("1"))).returncode == 0
    state = machine.root / "var/lib/maas-ha"
    shutil.copytree(state, tmp_path / "kept")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", state], check=True)
    try:
        shutil.copytree(tmp_path / "kept", state, dirs_exist_ok=True)
        subprocess.run(["dd", "if=/dev/zero", f"of={state}/fill"], capture_output=True, check=False)
        done = machine.agent("apply", bundle=bundle(conf("2")))
        assert done.returncode == 1
        assert "No space left on device; /var/lib/maas-ha has 0 kB left: free some" in done.stderr
    finally:
        subprocess.run(["umount", state], check=True)
    assert machine.read("/etc/app/a.conf") == "1"


def wait_for(path: Path) -> None:
    """Wait until `path` exists."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
