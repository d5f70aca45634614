"""A certificate authority for tests: certificates for names and addresses, valid or not."""

from __future__ import annotations

import datetime
import functools
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DAY = datetime.timedelta(days=1)


def rsa_key() -> rsa.RSAPrivateKey:
    """A key that is made quickly."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A key of another kind."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> str:
    """As PKCS 8, without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class Authority:
    """A self-signed authority."""

    key: Key = field(default_factory=ec_key)
    name: x509.Name = field(default_factory=lambda: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))

    @functools.cached_property
    def pem(self) -> str:
        """Its certificate."""
        return self._sign(self.key, self.name, x509.BasicConstraints(ca=True, path_length=None), DAY)

    def certificate(self, key: Key, *names: str, valid: datetime.timedelta = DAY) -> str:
        """A certificate (PEM) for host names and addresses; a negative `valid` gives one that has expired."""
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        return self._sign(key, subject, x509.SubjectAlternativeName(alternatives), valid)

    def _sign(self, key: Key, subject: x509.Name, extension: x509.ExtensionType, valid: datetime.timedelta) -> str:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self.name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - 10 * DAY,
            not_valid_after=now + valid,
        ).add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
