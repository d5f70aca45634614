"""What is made once: whole or not at all, one builder at a time, and builders that end with whoever started them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lab.cache import cache_folder, cached, key_of, source_hash
from lab.errors import LabError
from lab.namespaces import BOUND_TO_PARENT, PRIVATE
from lab.processes import ProcessRecord, read_record, start_time
from lab.progress import run_long

DEADLINE = 30.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache/maas-ha/lab").mkdir(parents=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.005)


def python(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT
    )


def test_a_key_changes_with_any_input_and_not_with_their_order() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert len({key_of({"a": value}) for value in (1, 2, "1")}) == 3


def test_source_hash_sees_names_and_content_but_no_compiled_files(tmp_path: Path) -> None:
    (tmp_path / "src/__pycache__").mkdir(parents=True)
    (tmp_path / "src/a.py").write_text("a")
    first = source_hash(tmp_path / "src")
    (tmp_path / "src/__pycache__/a.pyc").write_text("compiled")
    assert source_hash(tmp_path / "src") == first
    (tmp_path / "src/a.py").write_text("b")
    assert source_hash(tmp_path / "src") != first


def test_it_is_built_once() -> None:
    built: list[Path] = []

    def build(folder: Path, _: int) -> None:
        built.append(folder)
        (folder / "x").write_text("x")

    assert cached("thing", "k", build) == cached("thing", "k", build) == cache_folder() / "thing-k"
    assert len(built) == 1


def test_a_failed_build_leaves_nothing_under_the_name() -> None:
    def fail(folder: Path, _: int) -> None:
        (folder / "half").write_text("")
        raise LabError("no")

    with pytest.raises(LabError, match="no"):
        cached("thing", "k", fail)
    assert not (cache_folder() / "thing-k").exists()
    found = cached("thing", "k", lambda folder, _: (folder / "whole").touch())
    assert [path.name for path in found.iterdir()] == ["whole"]


def test_a_killed_build_is_cleared_by_the_next() -> None:
    builder = python("""
        import time
        from lab.cache import cached
        def build(folder, lock):
            (folder / "half").write_text("")
            time.sleep(600)
        cached("thing", "k", build)
    """)
    wait_for(cache_folder() / "thing.unfinished/half")
    builder.kill()
    builder.wait()
    found = cached("thing", "k", lambda folder, _: (folder / "whole").touch())
    assert [path.name for path in found.iterdir()] == ["whole"]


@pytest.mark.lab
def test_a_builders_commands_end_with_it_even_by_sigkill(tmp_path: Path) -> None:
    record = tmp_path / "record"
    argv = [*BOUND_TO_PARENT, *PRIVATE, "sh", "-c", f"mkdir {tmp_path}/m; mount -t tmpfs x {tmp_path}/m; sleep 600"]
    builder = python(f"""
        import subprocess, pathlib
        child = subprocess.Popen({argv!r})
        pathlib.Path({str(record)!r}).write_text(str(child.pid))
        child.wait()
    """)
    wait_for(tmp_path / "m")
    wait_for(record)
    child = int(record.read_text())
    builder.kill()
    builder.wait()
    deadline = time.monotonic() + DEADLINE
    while start_time(child) is not None:
        assert time.monotonic() < deadline, "the builder's command lives on"
        time.sleep(0.01)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_a_failing_command_is_told_by_its_own_words(tmp_path: Path) -> None:
    script = "echo 'E: Unable to locate package pudding'; echo 'more noise'; exit 100"
    with pytest.raises(LabError, match=r"baking failed: E: Unable to locate package pudding \(log: "):
        run_long("baking", ["sh", "-c", script], tmp_path / "log")


def test_a_long_command_says_that_it_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lab.progress.HEARTBEAT_SECONDS", 0.05)
    script = f"echo rising; while [ ! -e {tmp_path}/stop ]; do sleep 0.01; done"

    def stop_and_tell(_: Path) -> str:
        (tmp_path / "stop").touch()
        return "rising"

    monkeypatch.setattr("lab.progress.last_line", stop_and_tell)
    run_long("baking", ["sh", "-c", script], tmp_path / "log")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "lab: baking …"
    assert lines[1].startswith("lab: baking: ")
    assert lines[1].endswith("s … rising")
    assert lines[-1].startswith("lab: baking: done in")


def test_a_record_knows_its_process_and_no_other() -> None:
    process = subprocess.Popen(["sleep", "600"])
    try:
        started = start_time(process.pid)
        assert started is not None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert ProcessRecord(process.pid, started, boot).alive()
        for other in (
            ProcessRecord(process.pid, started + 1, boot),
            ProcessRecord(process.pid, started, "another boot"),
        ):
            assert not other.alive()
            other.kill()
            assert process.poll() is None
        ProcessRecord(process.pid, started, boot).kill()
        assert process.wait() == -9
    finally:
        process.kill()
        process.wait()


def test_a_broken_record_is_said_rather_than_guessed(tmp_path: Path) -> None:
    assert read_record(tmp_path / "none") is None
    (tmp_path / "record").write_text("pudding")
    with pytest.raises(LabError, match="is no process record; remove it"):
        read_record(tmp_path / "record")
