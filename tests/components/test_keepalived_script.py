"""The command by which keepalived knows HAProxy: it says yes to an answer of 200 alone."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from components.render import render


@contextmanager
def answering(answer: str) -> Iterator[tuple[int, list[str]]]:
    """A server on the loopback address that gives one answer: its port, and what it was asked."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                text = ""
                while not text.endswith("\r\n\r\n"):
                    text += connection.recv(1000).decode()
                asked.append(text)
                connection.sendall(answer.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1]), asked
        thread.join()


def ready(port: int) -> int:
    """Exit code of the command that asks `port`."""
    conf = render(
        "keepalived.conf",
        port=port,
        interface="eth7",
        router_id=80,
        priority=250,
        address="198.51.100.41",
        peers=(),
        password="p",
        virtual_address="198.51.100.40/24",
    )
    found = re.search(r'^    script "(.*)"$', conf, re.MULTILINE)
    assert found
    argv = shlex.split(found[1].encode().decode("unicode_escape"))
    return subprocess.run(argv, capture_output=True, timeout=90, check=False).returncode


@pytest.mark.parametrize(
    ("answer", "code"),
    [("HTTP/1.0 200 OK\r\n\r\n", 0), ("HTTP/1.0 503 Service Unavailable\r\n\r\n", 1), ("", 1)],
)
def test_by_the_answer(answer: str, code: int) -> None:
    with answering(answer) as (port, asked):
        assert ready(port) == code
    assert asked == ["GET /ready HTTP/1.0\r\n\r\n"]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    assert ready(port) == 1
