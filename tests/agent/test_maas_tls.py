"""MAAS's own TLS: what MAAS serves decides, the key touches only a file that root alone can read, and it goes away."""

from __future__ import annotations

import datetime
import http.server
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import maas_tls
from agent.bundle import Bundle, RegionSettings
from agent.commands import Commands
from agent.errors import StepError
from agent.maas_tls import MaasTls
from agent.machine import Work
from agent.masking import Masker
from agent.packages import Packages
from agent.packaging import DEB, PACKAGINGS
from agent.paths import Paths
from agent.report import Report
from agent.units import Units
from tests.agent.conftest import FakeHost
from tests.authority import Authority, key_pem, rsa_key

MAAS = r"""#!@PYTHON@
# `maas config-tls`: what every region's nginx serves is a file here.
import pathlib, shutil, stat, sys
home = pathlib.Path("@HOME@")
with open(home / "maas.log", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
if (home / "fails").exists():
    sys.exit((home / "fails").read_text())
if sys.argv[2] == "disable":
    (home / "cert.pem").unlink()
else:
    for name, source in zip(("key.pem", "cert.pem"), sys.argv[3:5]):
        source = pathlib.Path(source)
        for path, mode in ((source, 0o600), (source.parent, 0o700)):
            assert stat.S_IMODE(path.stat().st_mode) == mode, path
        shutil.copy(source, home / name)
"""


class Region:
    """What answers on a region's two ports; `home` holds key.pem and cert.pem while MAAS has TLS."""

    def __init__(self, home: Path) -> None:
        self.home = home
        region = self

        class Plain(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if region.has_tls:
                    self.send_response(301)
                    self.send_header("Location", f"https://127.0.0.1:{region.port}{self.path}")
                else:
                    self.send_response(region.status)
                self.end_headers()
                self.wfile.write(json.dumps({"version": "3.4.10"}).encode())

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        self.status = 200
        self._plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain)
        self.url = f"http://127.0.0.1:{self._plain.server_port}/MAAS"
        self._secure = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._secure.getsockname()[1]
        threading.Thread(target=self._plain.serve_forever, args=(0.01,), daemon=True).start()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def has_tls(self) -> bool:
        return (self.home / "cert.pem").exists()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._secure.accept()
            except OSError:
                return
            with connection:
                if self.has_tls:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(self.home / "cert.pem", self.home / "key.pem")
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue  # a client that trusts nobody here

    def commands(self) -> list[str]:
        """What MAAS was told since the last time."""
        log = self.home / "maas.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def close(self) -> None:
        self._plain.shutdown()
        self._plain.server_close()
        self._secure.shutdown(socket.SHUT_RDWR)
        self._secure.close()


@pytest.fixture
def region(machine: FakeHost) -> Iterator[Region]:
    machine.program("maas", MAAS.replace("@HOME@", str(machine.outside)).replace("@PYTHON@", sys.executable))
    machine.write("/var/lib/maas-ha/x", "")
    made = Region(machine.outside)
    yield made
    made.close()


AUTHORITY, KEY = Authority(), rsa_key()
CERTIFICATE = AUTHORITY.certificate(KEY, "region1", "127.0.0.1")

Make = Callable[..., MaasTls]


@pytest.fixture
def make(machine: FakeHost, region: Region, monkeypatch: pytest.MonkeyPatch) -> Make:
    """MAAS's TLS as one bundle wants it."""
    monkeypatch.setenv("PATH", machine.environment["PATH"])
    monkeypatch.setattr(maas_tls, "IN_FORCE_DEADLINE", 0.2)

    def made(certificate: str = CERTIFICATE, *, leader: bool = True, key: str = key_pem(KEY)) -> MaasTls:
        settings = settings_for(region, certificate, leader=leader)
        secrets = {"tls_key": key} if key and leader and certificate else {}
        report = Report("region1", Masker(secrets.values()))
        paths, commands = Paths(machine.root), Commands(report)
        units = Units(commands, report, lambda name, before, verb: None)
        bundle = Bundle(host="region1", component="region1-region", settings=settings, secrets=secrets)
        work = Work(paths, report, commands, units, Packages(paths, commands, report), bundle, None)
        tls = MaasTls(work, settings, region.url)
        tls.prepare()
        return tls

    return made


def settings_for(region: Region, certificate: str, *, leader: bool = True) -> RegionSettings:
    return RegionSettings(
        leader=leader,
        workers=2,
        database_host="10.0.0.5",
        database_port=5432,
        database="maasdb",
        role="maas",
        admin_username="admin",
        admin_email="admin@example.com",
        api_urls=(),
        tls_port=region.port if certificate else 0,
        tls_certificate=certificate,
        address="127.0.0.1",
        ca_certificate=AUTHORITY.pem,
    )


def handed_over(machine: FakeHost) -> Path:
    return Paths(machine.root).at(DEB.handover)


def test_it_is_put_in_force_once(machine: FakeHost, region: Region, make: Make) -> None:
    make().bring_about()
    folder = handed_over(machine)
    assert region.commands() == [
        f"config-tls enable {folder}/key.pem {folder}/certificate.pem -p {region.port} --yes",
    ]
    assert not folder.exists()
    assert (region.home / "cert.pem").read_text() == CERTIFICATE
    make().bring_about()
    assert region.commands() == []


def test_another_certificate_takes_its_place(region: Region, make: Make) -> None:
    make().bring_about()
    region.commands()
    renewed = AUTHORITY.certificate(KEY, "region1", "127.0.0.1")
    make(renewed).bring_about()
    assert len(region.commands()) == 1
    assert (region.home / "cert.pem").read_text() == renewed


def test_no_tls_in_the_stack_file_is_no_tls_in_maas(region: Region, make: Make) -> None:
    make("").bring_about()
    assert region.commands() == []
    make().bring_about()
    region.commands()
    make("").bring_about()
    assert region.commands() == ["config-tls disable"]
    assert not region.has_tls


def test_other_regions_only_wait(region: Region, make: Make) -> None:
    with pytest.raises(StepError, match="MAAS's TLS with the stack's certificate not reached"):
        make(leader=False).bring_about()
    make().bring_about()
    region.commands()
    make(leader=False).bring_about()
    with pytest.raises(StepError, match="serves another certificate than the stack's"):
        make(AUTHORITY.certificate(KEY, "127.0.0.1"), leader=False).bring_about()
    with pytest.raises(StepError, match=rf"http is sent to https://127\.0\.0\.1:{region.port}/MAAS/"):
        make("", leader=False).bring_about()
    assert region.commands() == []


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        (AUTHORITY.certificate(KEY, "region1", "127.0.0.2"), "IP address mismatch, certificate is not valid for"),
        (AUTHORITY.certificate(KEY, "127.0.0.1", valid=-datetime.timedelta(days=1)), "certificate has expired"),
        (Authority().certificate(KEY, "127.0.0.1"), "certificate verify failed"),
    ],
    ids=["another address", "expired", "another authority"],
)
def test_served_is_not_enough(make: Make, certificate: str, says: str) -> None:
    with pytest.raises(StepError, match=says):
        make(certificate).bring_about()


def test_a_failure_says_what_maas_says_and_leaves_no_key(machine: FakeHost, region: Region, make: Make) -> None:
    (region.home / "fails").write_text(f"CertificateError: can't use {key_pem(KEY).splitlines()[3]}")
    tls = make()
    with pytest.raises(StepError) as failed:
        tls.bring_about()
    assert "maas config-tls enable failed (exit 1): CertificateError" in failed.value.cause
    assert Masker([key_pem(KEY)]).mask(failed.value.cause).endswith("can't use [secret]")
    assert not handed_over(machine).exists()


def test_it_is_turned_off_again_when_the_transaction_fails(region: Region, make: Make) -> None:
    tls = make()
    tls.bring_about()
    tls.roll_back()
    assert region.commands()[1:] == ["config-tls disable"]
    assert not region.has_tls


def test_a_certificate_that_was_replaced_stays(region: Region, make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    make().bring_about()
    renewed = AUTHORITY.certificate(KEY, "region1", "127.0.0.1")
    tls = make(renewed)
    tls.bring_about()
    region.commands()
    tls.roll_back()
    assert region.commands() == []
    assert "the one before can't be read back" in capfd.readouterr().err


def test_rolling_back_never_fails(region: Region, make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    make().roll_back()
    assert region.commands() == []
    tls = make()
    tls.bring_about()
    (region.home / "fails").write_text("no database")
    tls.roll_back()
    assert "TLS is still on in MAAS: maas config-tls disable failed" in capfd.readouterr().err


def test_a_key_that_a_killed_run_left_goes(machine: FakeHost) -> None:
    folders = [Paths(machine.root).at(packaging.handover) for packaging in PACKAGINGS.values()]
    for packaging in PACKAGINGS.values():
        machine.write(f"{packaging.handover}/key.pem", "key", 0o600)
    assert machine.agent("status").returncode == 0
    assert not [folder for folder in folders if folder.exists()]


def test_the_leader_needs_the_key(make: Make) -> None:
    with pytest.raises(StepError, match="the bundle has no secret tls_key"):
        make(key="")


def test_a_maas_that_does_not_answer_is_no_maas_without_tls(region: Region, make: Make) -> None:
    region.status = 502
    with pytest.raises(StepError, match="502"):
        make("").bring_about()
    assert region.commands() == []
