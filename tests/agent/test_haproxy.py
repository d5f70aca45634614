"""HAProxy is healthy when a new worker serves every port; verify and status tell what is otherwise."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.bundle import Bundle, Effect, File, HaproxySettings
from agent.roles import haproxy
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local

UNIT = "haproxy.service"
STATISTICS = """\
# pxname,svname,qcur,status,lastchg,
maas-80,FRONTEND,,OPEN,,
maas-80,region1,0,UP,10,
maas-80,region2,0,DOWN,10,
maas-80,BACKEND,0,UP,10,
maas-5271,region1,0,UP 1/3,10,
maas-5271,region2,0,UP,10,
"""


class Worker:
    """Answers `show info` with the process id that a file names, and listens on one port."""

    def __init__(self, socket_path: Path, pid: Path) -> None:
        self.pid = pid
        self.port = socket.create_server(("127.0.0.1", 0))
        self.number = int(self.port.getsockname()[1])
        self.stats = socket.socket(socket.AF_UNIX)
        self.stats.bind(str(socket_path))
        self.stats.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.stats.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(100)
                if asked == b"show stat\n":
                    connection.sendall(STATISTICS.encode())
                if asked == b"show info\n":
                    connection.sendall(f"Name: HAProxy\nPid: {self.pid.read_text().strip()}\nUptime: 0d\n".encode())

    def close(self) -> None:
        """Stop."""
        self.stats.shutdown(socket.SHUT_RDWR)
        self.stats.close()
        self.port.close()
        self.thread.join()


@pytest.fixture
def worker(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(haproxy, "RELOAD_DEADLINE", 0.3)
    monkeypatch.chdir(machine.root)
    pid = machine.write("/pid", "100")
    worker = Worker(machine.root / "s", pid)
    machine.unit(UNIT, "enabled active")
    machine.hook("reload", UNIT, f"echo 101 >{pid}")
    yield worker
    worker.close()


def bundle(*ports: int, content: str = "x") -> Bundle:
    """A balancer with these ports."""
    file = File("/etc/haproxy/haproxy.cfg", content, effect=Effect.RELOAD, units=(UNIT,))
    return Bundle("h1", "lb", HaproxySettings(ports, "/s"), files=(file,), units=(UNIT,))


def test_new_worker_serves(machine: FakeHost, local: Local, worker: Worker) -> None:
    assert local.apply(bundle(worker.number)) == {}
    machine.calls()
    assert local.apply(bundle(worker.number)) == {}
    assert machine.calls() == []
    assert local.differences() == []


def test_old_worker_after_a_reload_is_a_failure(machine: FakeHost, local: Local, worker: Worker) -> None:
    machine.hook("reload", UNIT, "exit 0")
    with pytest.raises(ToldError, match=r"the old worker \(process 100\) still serves"):
        local.apply(bundle(worker.number))
    assert not (machine.root / "etc/haproxy/haproxy.cfg").exists()


def test_every_port_must_answer(local: Local, worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    with pytest.raises(ToldError, match=f"port {number}: Connection refused"):
        local.apply(bundle(worker.number, number))


def test_verify_names_each_difference_and_changes_nothing(machine: FakeHost, local: Local, worker: Worker) -> None:
    local.apply(bundle(worker.number))
    path = machine.root / "etc/haproxy/haproxy.cfg"
    path.write_text("other")
    path.chmod(0o600)
    machine.unit(UNIT, "disabled inactive")
    worker.port.close()
    before = machine.snapshot()
    done = machine.agent("verify", "--json")
    assert done.returncode == 1
    assert [found["text"] for found in json.loads(done.stdout)] == [
        "/etc/haproxy/haproxy.cfg has other content",
        "/etc/haproxy/haproxy.cfg has mode 0600 instead of 0644",
        f"{UNIT} isn't active",
        f"{UNIT} isn't enabled",
        f"port {worker.number}: Connection refused",
    ]
    assert machine.snapshot() == before
    assert machine.agent("verify").stdout.splitlines()[0] == "lb: /etc/haproxy/haproxy.cfg has other content"
    assert json.loads(machine.agent("status").stdout)["units"] == {UNIT: "inactive"}


def test_status_tells_how_each_region_is_seen(machine: FakeHost, local: Local, worker: Worker) -> None:
    local.apply(bundle(worker.number))
    told = json.loads(machine.agent("status").stdout)["told"]
    assert told == {"lb": {"regions": {"region1": "UP 1/3", "region2": "DOWN"}}}


def test_status_tells_who_leads_for_the_region_beside_it(machine: FakeHost, local: Local, worker: Worker) -> None:
    given = bundle(worker.number)
    assert isinstance(given.settings, HaproxySettings)
    local.apply(replace(given, settings=replace(given.settings, to_leader=True)))
    assert json.loads(machine.agent("status").stdout)["told"] == {"lb": {"leaders": ["region1"]}}


def test_unknown_command_and_foreign_bundle(machine: FakeHost) -> None:
    assert machine.agent("explode").returncode == 2
    done = machine.agent("apply")
    assert done.returncode == 1
    assert done.stderr.startswith("maas-ha-agent: the bundle is no JSON")
