"""Why a host doesn't answer, as an operator reads it."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from config import stack_file
from ops import hosts
from ops.hosts import NoAnswer
from tests.stacks import cluster_of


def asked(port: int, tmp_path: Path) -> str:
    """Why rack1 doesn't answer, whose sshd were `port` of this machine's loopback."""
    cluster = stack_file.parse(cluster_of("dev", tmp_path / "known_hosts"), tmp_path)
    rack = cluster.topology.hosts["rack1"]
    cluster.topology.hosts["rack1"] = rack.model_copy(update={"address": ip_address("127.0.0.1"), "port": port})
    answer = asyncio.run(hosts.ask(cluster, "rack1", "status"))
    assert isinstance(answer, NoAnswer)
    return answer.reason


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as freed:
        port = freed.getsockname()[1]
    assert asked(port, tmp_path) == "Connection refused: is it on, and does sshd listen at this address?"


def test_no_connection_is_told_from_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert asked(mute.getsockname()[1], tmp_path) == "no connection within 0 s: is it on?"
        monkeypatch.setattr(hosts, "CONNECT_SECONDS", 60)
        monkeypatch.setattr(hosts, "ANSWER_SECONDS", 0.1)
        assert asked(mute.getsockname()[1], tmp_path) == "no answer within 0 s"
