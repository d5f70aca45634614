"""The program by which keepalived knows HAProxy: it says yes to an answer of 200 alone."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.render import render


@contextmanager
def answering(text: str) -> Iterator[tuple[int, list[str]]]:
    """A server on the loopback address that gives one answer: its port, and what it was asked."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(1000).decode())
                connection.sendall(text.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1]), asked
        thread.join()


def ready(folder: Path, port: int) -> int:
    """Exit code of the program that asks `port`."""
    program = folder / "haproxy-ready"
    program.write_text(render("haproxy-ready", port=port), encoding="utf-8")
    return subprocess.run(["bash", str(program)], capture_output=True, timeout=90, check=False).returncode


@pytest.mark.parametrize(
    ("answer", "code"),
    [("HTTP/1.0 200 OK\r\n\r\n", 0), ("HTTP/1.0 503 Service Unavailable\r\n\r\n", 1), ("", 1)],
)
def test_by_the_answer(tmp_path: Path, answer: str, code: int) -> None:
    with answering(answer) as (port, asked):
        assert ready(tmp_path, port) == code
    assert asked == ["GET /ready HTTP/1.0\r\n\r\n"]


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    assert ready(tmp_path, port) == 1
