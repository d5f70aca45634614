"""`maas config-tls`: TLS for all regions (maas-facts §8)."""

import argparse
import base64
import binascii
import os
import re
import ssl
import sys
from pathlib import Path
from typing import TextIO

from . import db, region_http
from .config import read_region
from .region_http import Tls
from .snap_prompts import read_input

QUESTION = "Once TLS is enabled, the MAAS UI and API won't be accessible over HTTP anymore, proceed? (y/n): "
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n?", re.DOTALL)
RSA = bytes.fromhex("2a864886f70d010101")
"""The object identifier rsaEncryption, as a PKCS 8 key names it."""


class CertificateError(Exception):
    """Key and certificate that MAAS can't use."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """`config-tls enable KEY CERT` and `config-tls disable`; a file that can't be read is a usage error (exit 2)."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    enable = verbs.add_parser("enable", help="Enable TLS.")
    enable.add_argument("key", type=argparse.FileType())
    enable.add_argument("cert", type=argparse.FileType())
    enable.add_argument("--cacert", type=argparse.FileType())
    enable.add_argument("-p", "--port", type=int, default=5443)
    enable.add_argument("--yes", action="store_true", help="don't ask")
    verbs.add_parser("disable", help="Disable TLS.")


def config_tls(options: argparse.Namespace, path: Path) -> int:
    """Store it in the database and tell every region; nothing is restarted. `path` is regiond.conf.

    Without `--yes` it asks, at the end of the input for ever (maas-facts §8).
    """
    tls = None
    if options.verb == "enable":
        if not options.yes and not _agreed():
            return 0
        try:
            tls = _read(options)
        except CertificateError as error:
            print(f"CertificateError: {error}", file=sys.stderr)
            return 1
    connection = db.connect(read_region(path), "maas-region")
    try:
        with connection, db.cursor(connection) as cur:
            region_http.store(cur, tls)
    finally:
        connection.close()
    return 0


def _agreed() -> bool:
    while (answer := read_input(QUESTION).strip().lower()) not in ("y", "yes", "n", "no"):
        pass
    return answer.startswith("y")


def _read(options: argparse.Namespace) -> Tls:
    key, cert = options.key.read(), options.cert.read()
    chain = "".join(CERTIFICATE.findall(options.cacert.read())) if options.cacert else ""
    check(key, cert)
    return Tls(key=key, cert=cert, cacert=chain, port=options.port)


def check(key: str, cert: str) -> None:
    """Whether nginx could serve them and MAAS takes them: RSA keys only, without a passphrase.

    Raises:
        CertificateError: with MAAS's text, where it is known.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _in_memory(cert) as certificate_file, _in_memory(key) as key_file:
        try:
            context.load_cert_chain(
                f"/proc/self/fd/{certificate_file.fileno()}", f"/proc/self/fd/{key_file.fileno()}", _no_passphrase
            )
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise CertificateError("Private and public keys don't match") from None
            raise CertificateError("Invalid PEM material") from None
    if "BEGIN RSA PRIVATE KEY" not in key and RSA not in _body(key):
        # MAAS signs with the key to compare it with the certificate, in the way of RSA alone: a TypeError there.
        raise CertificateError("only RSA keys are supported")


def _no_passphrase() -> str:
    raise CertificateError("Private key can't have a passphrase")


def _body(pem: str) -> bytes:
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    try:
        return base64.b64decode("".join(lines))
    except binascii.Error:
        return b""


def _in_memory(text: str) -> TextIO:
    """A file without a name: a key never touches the disk here."""
    stream = os.fdopen(os.memfd_create("pem"), "w+")
    stream.write(text)
    stream.flush()
    return stream
