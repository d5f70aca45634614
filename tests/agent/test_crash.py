"""Killed with SIGKILL at any line, the agent's next start finishes or undoes what was interrupted.

The agent runs in a forked process whose trace function kills it at the n-th distinct line: no hook in the agent itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.__main__ import main
from agent.bundle import Bundle, Effect, File, HaproxySettings
from agent.roles.haproxy import Haproxy
from tests.agent.conftest import FakeHost, new_host

AGENT = str(Path(__file__).parents[2] / "agent") + os.sep
A, B = "a.service", "b.service"
Place: TypeAlias = tuple[str, int]
Trace: TypeAlias = Callable[[FrameType, str, Any], Any]


@pytest.fixture(autouse=True)
def quiet_haproxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The role is only the carrier of files and units here; its health has tests of its own."""
    monkeypatch.setattr(Haproxy, "prepare", lambda self: None)
    monkeypatch.setattr(Haproxy, "health", lambda self: None)
    monkeypatch.setattr(Haproxy, "differences", classmethod(lambda cls, machine, record: []))


def first_and_second() -> tuple[Bundle, Bundle]:
    """Two versions of a component: files change, come and go, units get other files."""

    def bundle(*files: File, units: tuple[str, ...]) -> Bundle:
        return Bundle("h1", "app", HaproxySettings((), ""), files=files, units=units, secrets={"p": "geheim"})

    def file(path: str, content: str, effect: Effect) -> File:
        return File(path, content, mode=0o640, effect=effect, units=(A,), check=("test", "-s", "{staged}"))

    first = bundle(
        file("/etc/app/a.conf", "one <<secret:p>>", Effect.RELOAD),
        file("/etc/app/gone.conf", "one", Effect.RELOAD),
        file("/etc/app/given.conf", "one", Effect.RELOAD),
        units=(A,),
    )
    second = bundle(
        file("/etc/app/a.conf", "two <<secret:p>>", Effect.RESTART),
        file("/etc/app/given.conf", "two", Effect.RELOAD),
        file("/etc/new/deep/b.conf", "two", Effect.RELOAD),
        units=(A, B),
    )
    return first, second


def prepare(machine: FakeHost) -> None:
    """Files and units as they are before anything of ours."""
    machine.write("/etc/app/given.conf", "given", 0o604)
    machine.unit(A, "disabled inactive")
    machine.unit(B, "enabled inactive")


def run(machine: FakeHost, command: str, bundle: Bundle | None, trace: Trace | None = None) -> int:
    """Run the agent in a forked process; its exit code, or minus the signal that ended it."""
    given = machine.outside / "given.json"
    given.write_text(bundle.to_json() if bundle else "")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            sys.stdin = given.open()
            log = os.open(machine.outside / "agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.environ["PATH"] = machine.environment["PATH"]
            sys.settrace(trace)
            code = main([command], machine.root)
            sys.settrace(None)
            os._exit(code)
        os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def lines_of(machine: FakeHost, command: str, bundle: Bundle) -> list[Place]:
    """The lines of the agent that run, in the order in which each runs first."""
    seen: dict[Place, None] = {}
    note = machine.outside / "lines.json"

    def trace(frame: FrameType, event: str, argument: object) -> object:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if not place[0].startswith(AGENT):
            return None
        if event == "line" and place not in seen:
            seen[place] = None
            note.write_text(json.dumps(list(seen)))
        return trace

    assert run(machine, command, bundle, trace) == 0, (machine.outside / "agent.log").read_text()
    return [(file, line) for file, line in json.loads(note.read_text())]


def killer(place: Place | None = None, at: int = 0) -> Trace:
    """Kills the process at a place of the agent, or at its line event number `at`."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        here = (frame.f_code.co_filename, frame.f_lineno)
        if not here[0].startswith(AGENT):
            return None
        if event == "line":
            count += 1
            if here == place or count == at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


@contextmanager
def copy_of(machine: FakeHost) -> Iterator[FakeHost]:
    """The same machine once more, on a memory file system."""
    shm = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=shm if Path(shm).is_dir() else None) as folder:
        copy = new_host(Path(folder) / "copy")
        for there, here in ((machine.root, copy.root), (machine.outside / "units", copy.outside / "units")):
            shutil.rmtree(here)
            shutil.copytree(there, here, symlinks=True)
        yield copy


def assert_no_trace(machine: FakeHost) -> None:
    """Nothing of an interrupted transaction is left."""
    assert not (machine.root / "var/lib/maas-ha/journal.json").exists()
    assert not [path for path in machine.root.rglob("*") if ".maas-ha-" in path.name]


def sampled(places: list[Place]) -> list[Place]:
    """40 places, those around the commit among them; with MAAS_HA_CRASH_POINTS=all every one (2 minutes)."""
    if os.environ.get("MAAS_HA_CRASH_POINTS") == "all":
        return places
    chosen = {*random.Random(1).sample(places, min(30, len(places))), *places[-10:]}  # noqa: S311
    return [place for place in places if place in chosen]


@pytest.mark.parametrize("step", ["create", "update", "remove"])
def test_killed_at_every_line(machine: FakeHost, step: str) -> None:
    prepare(machine)
    first, second = first_and_second()
    command, bundle = {"create": ("apply", first), "update": ("apply", second), "remove": ("remove", second)}[step]
    if step != "create":
        assert run(machine, "apply", first) == 0
    if step == "remove":
        assert run(machine, "apply", second) == 0
    before = machine.snapshot()
    with copy_of(machine) as whole:
        places = lines_of(whole, command, bundle)
        after = whole.snapshot()
    assert before != after
    outcomes = set()
    for place in sampled(places):
        with copy_of(machine) as killed:
            # A line within a wait may not be reached the second time; then it is an apply like any other.
            assert run(killed, command, bundle, killer(place)) in (-signal.SIGKILL, 0)
            assert run(killed, "verify", None) == 0, f"{place}: {(killed.outside / 'agent.log').read_text()}"
            state = killed.snapshot()
            assert state in (before, after), str(place)
            outcomes.add(state == after)
            assert_no_trace(killed)
            assert run(killed, command, bundle) == 0
            assert killed.snapshot() == after, str(place)
            assert_no_trace(killed)
    assert outcomes == {True, False}


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    there=st.dictionaries(st.sampled_from("abcd"), st.text("xyz", max_size=3)),
    one=st.dictionaries(st.sampled_from("abcd"), st.text("abc", max_size=3), min_size=1),
    two=st.dictionaries(st.sampled_from("abcd"), st.text("abc", max_size=3), min_size=1),
    kill=st.integers(1, 1500),
    fails=st.sampled_from(["", "start", "restart", "reload", "enable"]),
)
def test_any_files_any_moment_any_failure(
    there: dict[str, str], one: dict[str, str], two: dict[str, str], kill: int, fails: str
) -> None:
    """Whatever the files, a kill or a failing unit leaves the old or the new state, and removal the very first."""

    def bundle(files: dict[str, str]) -> Bundle:
        made = (File(f"/etc/app/{name}/f", text, effect=Effect.RELOAD, units=(A,)) for name, text in files.items())
        return Bundle("h1", "app", HaproxySettings((), ""), files=tuple(made), units=(A,))

    with tempfile.TemporaryDirectory() as folder:
        machine = new_host(Path(folder))
        machine.unit(A, "disabled inactive")
        for name, text in there.items():
            machine.write(f"/etc/app/{name}/f", text)
        origin = machine.snapshot()
        assert run(machine, "apply", bundle(one)) == 0
        before = machine.snapshot()
        if fails:
            machine.hook(fails, A, "exit 1")
            run(machine, "apply", bundle(two))
            machine.unhook(fails, A)
        else:
            run(machine, "apply", bundle(two), killer(at=kill))
        assert run(machine, "verify", None) == 0
        now = {name: state[-1] for name, state in machine.snapshot().items() if state[0] == "file" and "app" in name}
        wanted = {**{f"/etc/app/{n}/f": t for n, t in there.items()}, **{f"/etc/app/{n}/f": t for n, t in two.items()}}
        assert machine.snapshot() == before or now == wanted
        assert_no_trace(machine)
        assert run(machine, "apply", bundle(two)) == 0
        assert run(machine, "remove", bundle(two)) == 0
        assert machine.snapshot() == origin
        assert_no_trace(machine)
