"""Downloads: whole and as published, or not at all; and a quick answer on whether there is a network."""

import errno
import hashlib
import socket
import threading
from pathlib import Path

import pytest

from tests.toolchain.conftest import Answer, Server
from toolchain.downloads import fetch, reachable
from toolchain.errors import ChecksumError, DownloadError

BODY = b"engine" * 1000


def test_whole(server: Server, tmp_path: Path) -> None:
    server.answers["/file"] = Answer(BODY)
    fetch(f"{server.url}/file", tmp_path / "file", hashlib.sha256(BODY).hexdigest())
    assert (tmp_path / "file").read_bytes() == BODY


def test_half_a_download_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers["/file"] = Answer(BODY, cut_off=2)
    fetch(f"{server.url}/file", tmp_path / "file", tries=3)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize(("head", "said"), [(b"", "Remote end closed connection"), (b"no HTTP\r\n\r\n", "no HTTP")])
def test_a_server_that_answers_nothing_is_tried_again_and_named(tmp_path: Path, head: bytes, said: str) -> None:
    asked = []

    def answer(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            asked.append(connection.recv(1000))
            connection.sendall(head)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=answer, args=(listening,))
        answering.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/file"
        with pytest.raises(DownloadError, match=f"{url}: .*{said}"):
            fetch(url, tmp_path / "file", tries=2)
        answering.join()
    assert len(asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_half_a_download_is_said_and_removed(server: Server, tmp_path: Path) -> None:
    server.answers["/file"] = Answer(BODY, cut_off=9)
    with pytest.raises(DownloadError, match=r"cut off after 3000 of 6000 bytes"):
        fetch(f"{server.url}/file", tmp_path / "file", tries=2)
    assert server.answers["/file"].asked == 2
    assert list(tmp_path.iterdir()) == []


def test_other_content_is_said_and_removed(server: Server, tmp_path: Path) -> None:
    server.answers["/file"] = Answer(BODY)
    with pytest.raises(ChecksumError, match="SHA-256"):
        fetch(f"{server.url}/file", tmp_path / "file", "0" * 64, tries=2)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_names_the_answer(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        fetch(f"{server.url}/file", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_not_taken_for_a_bad_network(server: Server, tmp_path: Path) -> None:
    server.answers["/file"] = Answer(BODY)
    target = tmp_path / "file"
    target.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(f"{server.url}/file", target)
    assert caught.value.errno == errno.ENOSPC
    assert server.answers["/file"].asked == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_answers_anything_is_reachable(server: Server) -> None:
    assert reachable(f"{server.url}/missing")


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert not reachable(f"http://127.0.0.1:{free.getsockname()[1]}/")


def test_a_silent_server_is_unreachable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", patience=0.2)


def test_slow_name_resolution_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = threading.Event(), threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        asked.set()
        over.wait(60)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert not reachable("http://downloads.invalid/", patience=0.2)
    assert asked.wait(60)
    over.set()
