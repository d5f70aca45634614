"""A Patroni that hangs is told from one that is slow, and from one that isn't there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent.cluster_settings import AUTHORITY, CERTIFICATE, KEY, PATRONI_FOLDER
from agent.mutual_tls import Answer, NoAnswerError, Peer
from agent.paths import Paths
from agent.patroni_guard import SILENT_SECONDS, Watch
from components.postgres_cluster_files import TIMING
from tests.authority import Authority, ec_key, key_pem

ANSWERS, HANGS, AWAY = "answers", "hangs", "away"


class Asked:
    """A Patroni that does what it is told, and a clock that each question moves by a second."""

    def __init__(self, *does: str) -> None:
        self._does = list(does)
        self.now = 100.0

    def call(self, method: str, path: str, body: object = None, timeout: float = 0) -> Answer:
        self.now += 1
        does = self._does.pop(0)
        if does == ANSWERS:
            return Answer(503, "")
        raise NoAnswerError(does, silent=does == HANGS)


def kills(monkeypatch: pytest.MonkeyPatch, *does: str) -> list[bool]:
    asked = Asked(*does)
    peer = Peer(Paths(Path("/")), PATRONI_FOLDER, "198.51.100.11", 8008)
    monkeypatch.setattr(Peer, "call", lambda _, *arguments, **named: asked.call(*arguments, **named))
    watch = Watch(peer, lambda: asked.now)
    return [watch.is_silent() for _ in does]


def test_one_that_hangs_is_killed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = kills(monkeypatch, ANSWERS, *[HANGS] * 9)
    assert found == [False] * 5 + [True] + [False] * 4


def test_one_that_is_slow_for_a_while_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(kills(monkeypatch, *[*[HANGS] * 4, ANSWERS] * 4))


def test_one_that_starts_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens yet, for however long."""
    assert not any(kills(monkeypatch, *[AWAY] * 30, *[HANGS] * 4))


def test_it_is_killed_before_its_lock_can_be_anothers() -> None:
    assert TIMING["ttl"] - TIMING["loop_wait"] > SILENT_SECONDS


def test_a_port_that_is_silent_and_one_that_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / PATRONI_FOLDER.lstrip("/")
    folder.mkdir(parents=True)
    authority, key = Authority(), ec_key()
    for name, text in (
        (AUTHORITY, authority.pem),
        (CERTIFICATE, authority.certificate(key, "h1")),
        (KEY, key_pem(key)),
    ):
        (folder / name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = Peer(Paths(tmp_path), PATRONI_FOLDER, "127.0.0.1", server.getsockname()[1])
        with pytest.raises(NoAnswerError) as caught:
            peer.call("GET", "/liveness", timeout=0.2)
        assert caught.value.silent
    with pytest.raises(NoAnswerError) as caught:
        peer.call("GET", "/liveness", timeout=90)
    assert not caught.value.silent
