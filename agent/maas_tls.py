"""TLS that MAAS itself speaks: one certificate for all regions, which one of them puts in force (maas-facts §8)."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from agent.bundle import RegionSettings
from agent.errors import StepError
from agent.maas_http import MOVED, read_json, trusting
from agent.machine import Work
from agent.packaging import PACKAGINGS

KEY_SECRET = "tls_key"  # noqa: S105 - a name
COMMAND_TIMEOUT = 120.0
"""Seconds for one `maas config-tls`."""
IN_FORCE_DEADLINE = 120.0
"""Seconds until a region has heard of it through the database and its nginx has read the certificate again."""
CONNECT_TIMEOUT = 5.0
"""Seconds for one look at what a port serves."""


class MaasTls:
    """TLS of all regions as the stack file has it: with its certificate, or none."""

    def __init__(self, work: Work, settings: RegionSettings, own_url: str) -> None:
        """`own_url` is this region's own API over http."""
        self._work = work
        self._settings = settings
        self._own_url = own_url
        self._packaging = PACKAGINGS[settings.packaging]
        self._told = False
        self._was_on = False

    def prepare(self) -> None:
        """The leader needs the key. Raises `StepError`."""
        if self._settings.tls_port and self._settings.leader:
            self._work.secret(KEY_SECRET)

    def bring_about(self) -> None:
        """On the leader tell MAAS what isn't so yet; on every region wait until it is so. Raises `StepError`.

        What MAAS has decides, not what was told before: the setting is in the database, which outlives this stack and
        which others can write to. MAAS needs no restart.
        """
        if self._settings.leader:
            self._tell()
        what = "MAAS's TLS with the stack's certificate" if self._settings.tls_port else "MAAS without TLS"
        self._work.wait(what, IN_FORCE_DEADLINE, lambda: missing(self._settings, self._own_url))

    def roll_back(self) -> None:
        """TLS off again where this transaction turned it on; a key that MAAS had before is known to nobody else."""
        if not self._told:
            return
        if self._was_on:
            self._work.report.say("MAAS's TLS setting stays as it is now: the one before can't be read back")
            return
        try:
            self._config_tls("disable")
        except StepError as error:
            self._work.report.say(f"TLS is still on in MAAS: {error.cause}")

    def _tell(self) -> None:
        port = self._settings.tls_port
        try:
            self._was_on = bool(redirected(self._own_url))
        except OSError as error:
            raise StepError(f"{self._own_url}: {error}") from None
        if port and served(port) != der(self._settings.tls_certificate):
            self._work.report.step(f"give MAAS the certificate for port {port}")
            with self._handed_over() as (key, certificate):
                self._told = True
                self._config_tls("enable", str(key), str(certificate), "-p", str(port), "--yes")
        elif not port and self._was_on:
            self._work.report.step("turn off MAAS's TLS, which the stack file doesn't have")
            self._told = True
            self._config_tls("disable")

    def _config_tls(self, *arguments: str) -> None:
        command = (self._packaging.client, "config-tls", *arguments)
        done = self._work.commands.run(*command, timeout=COMMAND_TIMEOUT, check=False, hold_lock=True)
        if done.code != 0:
            raise StepError(f"maas config-tls {arguments[0]} failed (exit {done.code}): {done.complaint}")

    @contextlib.contextmanager
    def _handed_over(self) -> Iterator[tuple[Path, Path]]:
        """Key and certificate as files that only root can read, where MAAS can; gone afterwards.

        What a killed agent leaves is deleted when the next one starts.
        """
        folder = self._work.paths.at(self._packaging.handover)
        folder.mkdir(mode=0o700)
        try:
            key, certificate = folder / "key.pem", folder / "certificate.pem"
            _write(key, self._work.secret(KEY_SECRET))
            _write(certificate, self._settings.tls_certificate)
            yield key, certificate
        finally:
            shutil.rmtree(folder)


def missing(settings: RegionSettings, own_url: str) -> str:
    """What of the TLS that `settings` want isn't so on this region, or ""."""
    port = settings.tls_port
    if not port:
        try:
            target = redirected(own_url)
        except OSError as error:
            return f"{own_url}: {error}"
        return f"MAAS has TLS, which the stack file doesn't: http is sent to {target}" if target else ""
    try:
        with (
            socket.create_connection((settings.address, port), CONNECT_TIMEOUT) as plain,
            trusting(settings.ca_certificate).wrap_socket(plain, server_hostname=settings.address) as connection,
        ):
            shown = connection.getpeercert(binary_form=True)
    except OSError as error:
        return f"{settings.address}:{port}: {error}"
    same = shown == der(settings.tls_certificate)
    return "" if same else f"{settings.address}:{port} serves another certificate than the stack's"


def served(port: int) -> bytes | None:
    """The certificate (DER) that this host serves on `port`, whoever signed it; None if none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only looked at, nothing is sent
    try:
        with (
            socket.create_connection(("127.0.0.1", port), CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain) as connection,
        ):
            return connection.getpeercert(binary_form=True)
    except OSError:
        return None


def redirected(own_url: str) -> str:
    """Where http is sent since MAAS has TLS, "" if it has none. Raises `OSError` where MAAS doesn't answer."""
    try:
        read_json(urllib.request.Request(f"{own_url}/api/2.0/version/"))  # noqa: S310 - a fixed address
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise
        return error.headers.get("Location", "") if error.code == MOVED else ""
    return ""


def der(pem: str) -> bytes:
    """The bytes of the first certificate in `pem`."""
    return ssl.PEM_cert_to_DER_cert(pem.strip())


def _write(path: Path, text: str) -> None:
    """A new file with mode 0600 from its first moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
