"""HAProxy: after a reload a new worker serves, and every port answers."""

from __future__ import annotations

import csv
import socket

from agent.bundle import HaproxySettings
from agent.machine import Machine, Work
from agent.paths import Paths
from agent.ports import refused
from agent.records import Record
from agent.roles.base import Role

UNIT = "haproxy.service"
RELOAD_DEADLINE = 15.0
"""Seconds until a reload has put a new worker in place; haproxy tells nobody when it kept the old one."""


class Haproxy(Role):
    """The balancer in front of the regions."""

    def __init__(self, work: Work, settings: HaproxySettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._worker_before = ""

    def prepare(self) -> None:
        """Remember the worker that serves now."""
        self._worker_before = worker(self.work.paths, self.settings.stats_socket)

    def health(self) -> None:
        """A worker that has read the new file serves all ports."""
        self.work.wait("haproxy with its new configuration", RELOAD_DEADLINE, self._missing, unit=UNIT)

    def _missing(self) -> str:
        pid = worker(self.work.paths, self.settings.stats_socket)
        if not pid:
            return f"no answer on {self.settings.stats_socket}"
        if self.work.changes and pid == self._worker_before:
            return f"the old worker (process {pid}) still serves: the reload failed"
        return next(filter(None, map(refused, self.settings.ports)), "")

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """How this balancer sees each region, or who leads the database for the region beside it."""
        settings = record.settings
        assert isinstance(settings, HaproxySettings)  # noqa: S101 - the record's role is this one
        found = servers(machine.paths, settings.stats_socket)
        if settings.to_leader:
            return {"leaders": [name for name, state in found.items() if state.startswith("UP")]}
        return {"regions": found}

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """Ports that don't answer."""
        settings = record.settings
        if not isinstance(settings, HaproxySettings):
            return []
        return [reason for reason in map(refused, settings.ports) if reason]


def worker(paths: Paths, stats_socket: str) -> str:
    """Process id of the worker behind the statistics socket, or "" if there is no answer."""
    lines = _ask(paths, stats_socket, "show info").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("Pid:")), "")


def servers(paths: Paths, stats_socket: str) -> dict[str, str]:
    """Region → its state as HAProxy sees it, `UP`, `DOWN`, `DRAIN`, …; that of its worst route where they differ."""
    found: dict[str, str] = {}
    for row in csv.DictReader(_ask(paths, stats_socket, "show stat").removeprefix("# ").splitlines()):
        name, state = row.get("svname", ""), row.get("status") or "unknown"
        if name not in ("", "FRONTEND", "BACKEND") and found.get(name, "UP").startswith("UP"):
            found[name] = state
    return found


def _ask(paths: Paths, stats_socket: str, command: str) -> str:
    """The answer on the statistics socket, "" for none."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(paths.at(stats_socket)))
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
    except OSError:
        return ""
    return answer.decode(errors="replace")
