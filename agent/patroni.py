"""Patroni's hosts, by the REST API that each of them has."""

from __future__ import annotations

from dataclasses import dataclass

from agent.cluster_settings import PATRONI_FOLDER, REST_PORT
from agent.errors import StepError
from agent.mutual_tls import NoAnswerError, Peer, first_answer
from agent.paths import Paths

LONG = 120.0
"""Seconds for what stops and starts a PostgreSQL."""

LEADERS = ("leader", "master", "primary")
UP = ("running", "streaming")


@dataclass(frozen=True)
class Member:
    """A host as the cluster knows it."""

    name: str
    role: str
    state: str
    pending_restart: bool
    lag: int | None = None
    """Bytes that it hasn't replayed; None for the leader, or where nobody knows."""

    @property
    def leads(self) -> bool:
        """True on the one that takes writes."""
        return self.role in LEADERS


class Patroni:
    """A cluster, asked through whichever host answers."""

    def __init__(self, paths: Paths, members: dict[str, str]) -> None:
        self._peers = {name: Peer(paths, PATRONI_FOLDER, address, REST_PORT) for name, address in members.items()}

    def is_up(self, name: str) -> str:
        """Why the host's PostgreSQL isn't running, or ""."""
        try:
            answer = self._peers[name].call("GET", "/health")
            return "" if answer.status == 200 else f"{name}: PostgreSQL is {answer.fields.get('state', 'not running')}"
        except NoAnswerError as error:
            return f"{name}: {error.cause}"

    def members(self) -> list[Member]:
        """All hosts that the cluster knows. Raises `NoAnswerError` if none answers."""
        found = self._any("/cluster").get("members")
        return [_member(entry) for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def leader(self) -> str:
        """Name of the host that leads, "" while there is none. Raises `NoAnswerError` if no host answers."""
        return next((member.name for member in self.members() if member.leads), "")

    def waits_for_restart(self, name: str) -> bool:
        """True if the host has a setting that only a restart brings. Raises `NoAnswerError`."""
        return self._peers[name].call("GET", "/patroni").fields.get("pending_restart") is True

    def configuration(self) -> dict[str, object]:
        """What all hosts have in common. Raises `NoAnswerError` if no host answers."""
        return self._any("/config")

    def patch(self, name: str, changes: dict[str, object]) -> None:
        """Change the common configuration through a host; None takes a value out. Raises `StepError`."""
        self._tell(name, "PATCH", "/config", changes, 5.0)

    def restart(self, name: str) -> None:
        """Restart the host's PostgreSQL and wait for it. Raises `StepError`."""
        self._tell(name, "POST", "/restart", {"timeout": f"{LONG:.0f}s"}, LONG)

    def switch_over(self, leader: str, candidate: str) -> None:
        """Let `candidate` lead instead of `leader`, losing nothing. Raises `StepError`."""
        self._tell(leader, "POST", "/switchover", {"leader": leader, "candidate": candidate}, LONG)

    def _any(self, path: str) -> dict[str, object]:
        return first_answer(self._peers.values(), "GET", path)

    def _tell(self, name: str, method: str, path: str, body: dict[str, object], timeout: float) -> None:
        answer = self._peers[name].call(method, path, body, timeout)
        if answer.status not in (200, 202):
            raise StepError(f"Patroni on {name} refuses {method} {path} ({answer.status}): {answer.text.strip()[:300]}")


def is_within(wanted: object, found: object) -> bool:
    """True if `found` holds all of `wanted`, and maybe more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(is_within(value, found.get(key)) for key, value in wanted.items())
    return wanted == found


def undo_of(changes: dict[str, object], found: dict[str, object]) -> dict[str, object]:
    """The patch that brings `found` back after `changes`."""
    undo: dict[str, object] = {}
    for key, value in changes.items():
        before = found.get(key)
        undo[key] = undo_of(value, before) if isinstance(value, dict) and isinstance(before, dict) else before
    return undo


def _member(entry: dict[str, object]) -> Member:
    return Member(
        name=str(entry.get("name", "")),
        role=str(entry.get("role", "")),
        state=str(entry.get("state", "")),
        pending_restart=entry.get("pending_restart") is True,
        lag=lag if isinstance(lag := entry.get("lag"), int) else None,
    )
