"""MAAS over TLS: verified by the cluster's authority alone, and a redirect takes the API key nowhere else."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError, event_loops
from agent.maas_http import secured
from tests.agent.fake_maas import KEY, FakeMaas
from tests.authority import Authority, key_pem, rsa_key

AUTHORITY = Authority()


def with_tls(maas: FakeMaas, folder: Path, certificate_for: str = "127.0.0.1") -> str:
    """Have it speak TLS; its address."""
    key = rsa_key()
    (folder / "key.pem").write_text(key_pem(key))
    (folder / "cert.pem").write_text(AUTHORITY.certificate(key, certificate_for))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    maas.server.socket = context.wrap_socket(maas.server.socket, server_side=True)
    return maas.url.replace("http:", "https:")


class Redirecting:
    """Port 5240 of a region with TLS."""

    def __init__(self) -> None:
        self.location = ""
        self.asked: list[str] = []
        redirecting = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                redirecting.asked.append(f"{self.command} {self.path}")
                self.send_response(301)
                self.send_header("Location", redirecting.location + self.path)
                self.end_headers()

            do_GET = do_DELETE = _answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/MAAS"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def redirecting() -> Iterator[Redirecting]:
    made = Redirecting()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_https_is_verified(maas: FakeMaas, tmp_path: Path) -> None:
    maas.event_loops = {"r1:pid=3": []}
    url = with_tls(maas, tmp_path)
    assert len(MaasApi([url], KEY, AUTHORITY.pem).racks()) == 3
    assert event_loops(url, AUTHORITY.pem) == ["r1:pid=3"]
    for authority in ("", Authority().pem):
        with pytest.raises(NobodyAnswersError, match="certificate verify failed"):
            MaasApi([url], KEY, authority).racks()


def test_a_certificate_for_another_address_is_refused(maas: FakeMaas, tmp_path: Path) -> None:
    url = with_tls(maas, tmp_path, "127.0.0.2")
    with pytest.raises(NobodyAnswersError, match=r"certificate is not valid for '127\.0\.0\.1'"):
        MaasApi([url], KEY, AUTHORITY.pem).racks()


def test_a_change_follows_maas_to_its_tls(maas: FakeMaas, redirecting: Redirecting, tmp_path: Path) -> None:
    redirecting.location = with_tls(maas, tmp_path).removesuffix("/MAAS")
    MaasApi([redirecting.url], KEY, AUTHORITY.pem).delete_rack("aaa")
    assert redirecting.asked == ["DELETE /MAAS/api/2.0/rackcontrollers/aaa/"]
    assert maas.requests == ["DELETE rackcontrollers/aaa/"]


@pytest.mark.parametrize("ca_certificate", ["", AUTHORITY.pem])
def test_the_key_goes_nowhere_else(maas: FakeMaas, redirecting: Redirecting, ca_certificate: str) -> None:
    redirecting.location = maas.url.removesuffix("/MAAS").replace("127.0.0.1", "localhost")
    api = MaasApi([redirecting.url], KEY, ca_certificate)
    with pytest.raises(RefusedError, match=r"MAAS has TLS and sends http://127\.0\.0\.1.* to http://localhost"):
        api.delete_rack("aaa")
    assert maas.requests == []
    assert maas.nonces == set()


def test_without_an_authority_nothing_is_followed(maas: FakeMaas, redirecting: Redirecting, tmp_path: Path) -> None:
    redirecting.location = with_tls(maas, tmp_path).removesuffix("/MAAS")
    with pytest.raises(RefusedError, match="MAAS has TLS"):
        MaasApi([redirecting.url], KEY).racks()
    assert maas.nonces == set()


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_is_cut_off(status: int) -> None:
    """By a balancer whose region died: the next address is asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"[{")

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/MAAS"
        expected = (NobodyAnswersError, "no whole answer") if status == 200 else (RefusedError, "400")
        with pytest.raises(expected[0], match=expected[1]):
            MaasApi([url], KEY).racks()
        server.shutdown()


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://198.51.100.1:5240/MAAS/a?b=c", "https://198.51.100.1:5443/x", "https://198.51.100.1:5443/MAAS/a?b=c"),
        ("http://[2001:db8::1]/MAAS/a", "https://[2001:db8::1]:5443/x", "https://[2001:db8::1]:5443/MAAS/a"),
        ("http://198.51.100.1/MAAS/", "https://198.51.100.2/MAAS/", ""),
        ("http://198.51.100.1/MAAS/", "http://198.51.100.1:8080/MAAS/", ""),
        ("https://198.51.100.1/MAAS/", "https://198.51.100.1:1/MAAS/", ""),
        ("http://198.51.100.1/MAAS/", "", ""),
    ],
)
def test_secured(url: str, location: str, target: str) -> None:
    assert secured(url, location) == target
