"""The parts of a restart that nobody notices: the word to balancers, their view, and who would lose the last region."""

from __future__ import annotations

import fcntl
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import cast

import pytest

from agent.balancer_view import Server, view
from agent.bundle import RegionSettings
from agent.drain import Drain
from agent.drain_responder import serve
from agent.errors import StepError
from agent.maas_api import Rack
from agent.machine import Work
from agent.region_peers import _is_alone
from agent.region_restart import Restart

CSV = (
    "# pxname,svname,scur,status,\n"
    "maas-80,FRONTEND,5,OPEN,\nmaas-80,region1,3,DRAIN (agent),\nmaas-80,region2,0,UP,\nmaas-80,BACKEND,3,UP,\n"
    "view,BACKEND,0,UP,\n"
)


def test_a_region_is_drained_for_as_long_as_somebody_holds_the_lock(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    lock = tmp_path / "lock"
    threading.Thread(target=serve, args=("127.0.0.1", port, lock), daemon=True).start()

    def said() -> bytes:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as asking:
                    return asking.makefile("rb").read()
            except ConnectionRefusedError:
                continue

    assert said() == b"ready\n"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert said() == b"drain\n"
    assert said() == b"ready\n"


class Handler(BaseHTTPRequestHandler):
    """A balancer that shows `CSV` by its path alone."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/;csv" else 404)
        self.end_headers()
        self.wfile.write(CSV.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.mark.parametrize("status", [200, 403])
def test_a_balancers_view(status: int) -> None:
    with HTTPServer(("127.0.0.1", 0), type("Shown", (Handler,), {"status": status})) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        if status != 200:
            with pytest.raises(StepError, match="doesn't show its regions"):
                view("127.0.0.1", server.server_port)
            return
        seen = view("127.0.0.1", server.server_port)
    assert seen == [Server("maas-80", "region1", "DRAIN (agent)", 3), Server("maas-80", "region2", "UP", 0)]
    assert [server.takes_new for server in seen] == [False, True]


@pytest.mark.parametrize(
    ("rackd", "here", "alone"),
    [
        ("running", 2, False),
        ("degraded (66% connected to region controllers.)", 2, False),  # 4 of 6: another region has it
        ("degraded (33% connected to region controllers.)", 2, True),  # 2 of 6, and those are here
        ("degraded (33% connected to region controllers.)", 0, False),  # not connected here: it loses nothing
        ("unknown", 1, True),
    ],
)
def test_which_rack_would_lose_its_last_region(rackd: str, here: int, *, alone: bool) -> None:
    assert _is_alone(Rack("abc", "rack1", "3.4", {"rackd": rackd}), here, expected=6) is alone


def test_a_region_that_is_drained_is_asked_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction with packages drains before it installs them; its changed files find the region drained."""
    asked: list[str] = []

    class Told:
        def say(self, text: str) -> None:
            asked.append(text)

    class Host:
        report = Told()

        def wait(self, what: str, *_: object) -> None:
            asked.append(what)
            raise StepError("not within 0 s")

    settings = RegionSettings(True, 1, "", 5432, "maasdb", "maas", "admin", "admin@example.com", ())
    restart = Restart(cast("Work", Host()), settings)
    restart.prepare("key")
    assert asked.pop() == "not within 0 s: it is restarted at once"
    assert asked == ["this region's own answer"]
    monkeypatch.setattr(Drain, "is_held", property(lambda _: True))
    restart.prepare("key")
    assert asked == ["this region's own answer"]
