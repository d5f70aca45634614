"""Issuing certificates as the official plugin does. Imported late: it loads cryptography."""

from __future__ import annotations

import datetime
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from toolchain.plugins import schema
from toolchain.plugins.bridged import DiagnosticError
from toolchain.plugins.tls import keys, names
from toolchain.plugins.tls.uses import EXTENDED_KEY_USES, KEY_USES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolchain.plugins.values import Properties

NANOSECONDS = 1_000_000_000
SERIAL_BITS = 128


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate is about: whose key, which names, and who signs it."""

    subject: x509.Name
    public_key: keys.PublicKey
    alternatives: list[x509.GeneralName]
    issuer: x509.Name
    issuer_key: keys.Key
    issuer_key_id: bytes | None  # as the issuer's own certificate has it


def self_signed(plan: Properties, begin: int) -> tuple[x509.Certificate, keys.Key]:
    """A self-signed certificate for the inputs, valid from `begin` (nanoseconds since 1970), and its key."""
    key = keys.load(str(plan["privateKeyPem"]))
    subject = names.subject(plan.get("subject"))
    own_id = key_id(key.public_key()) if plan["setSubjectKeyId"] is True else None
    leaf = Leaf(subject, key.public_key(), names.alternative_names(plan), subject, key, own_id)
    return _signed(leaf, plan, begin), key


def locally_signed(plan: Properties, begin: int) -> tuple[x509.Certificate, keys.Key]:
    """A certificate for the inputs' request by the inputs' authority, and the authority's key."""
    request = _request(str(plan["certRequestPem"]))
    authority = _certificate(str(plan["caCertPem"]))
    key = keys.load(str(plan["caPrivateKeyPem"]))
    public_key = request.public_key()
    if not isinstance(public_key, keys.PublicKey):
        raise DiagnosticError("Failed to create certificate", "the request's key is no RSA, ECDSA or ED25519 key")
    if key.public_key() != authority.public_key():
        raise DiagnosticError(
            "Failed to create certificate", "x509: provided PrivateKey doesn't match parent's PublicKey"
        )
    leaf = Leaf(request.subject, public_key, _requested_names(request), authority.subject, key, _own_key_id(authority))
    return _signed(leaf, plan, begin), key


def key_id(public_key: keys.PublicKey) -> bytes:
    """The subject key identifier: SHA-1 of the key's bits."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest


def _signed(leaf: Leaf, plan: Properties, begin: int) -> x509.Certificate:
    end = begin + schema.whole(plan["validityPeriodHours"]) * 3600 * NANOSECONDS
    builder = x509.CertificateBuilder(  # the constructor, as its methods refuse an end before the begin
        issuer_name=leaf.issuer,
        subject_name=leaf.subject,
        public_key=leaf.public_key,
        serial_number=secrets.randbits(SERIAL_BITS) or 1,
        not_valid_before=_second(begin),
        not_valid_after=_second(end),
        extensions=list(_extensions(leaf, plan)),
    )
    return builder.sign(leaf.issuer_key, keys.signing_hash(leaf.issuer_key))


def _second(nanoseconds: int) -> datetime.datetime:
    epoch = datetime.datetime(1970, 1, 1)
    return epoch + datetime.timedelta(seconds=nanoseconds // NANOSECONDS)


def _extensions(leaf: Leaf, plan: Properties) -> Iterator[x509.Extension[x509.ExtensionType]]:
    """The extensions in the official plugin's order."""
    uses = schema.texts(plan.get("allowedUses"))
    if bits := [KEY_USES.index(use) for use in uses if use in KEY_USES]:
        yield _extension(x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, _bit_string(bits)), critical=True)
    if purposes := [x509.ObjectIdentifier(EXTENDED_KEY_USES[use]) for use in uses if use in EXTENDED_KEY_USES]:
        yield _extension(x509.ExtendedKeyUsage(purposes))
    is_authority = plan["isCaCertificate"] is True
    path_length = schema.whole(plan.get("maxPathLength")) if is_authority else 0
    yield _extension(x509.BasicConstraints(is_authority, path_length or None), critical=True)
    if is_authority or plan["setSubjectKeyId"] is True:
        yield _extension(x509.SubjectKeyIdentifier(key_id(leaf.public_key)))
    if authority_id := _authority_key_id(leaf, plan):
        yield _extension(x509.AuthorityKeyIdentifier(authority_id, None, None))
    if leaf.alternatives:
        yield _extension(x509.SubjectAlternativeName(leaf.alternatives), critical=not list(leaf.subject))


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _authority_key_id(leaf: Leaf, plan: Properties) -> bytes | None:
    if plan.get("setAuthorityKeyId") is True:
        if leaf.issuer_key_id is None:
            raise DiagnosticError("Invalid Certificate Authority", "Could not determine Authority Key Identifier")
        return leaf.issuer_key_id
    return leaf.issuer_key_id if leaf.issuer != leaf.subject else None


def _bit_string(bits: list[int]) -> bytes:
    """A DER BIT STRING with these bits set (KeyUsage of cryptography refuses combinations that the official takes)."""
    last = max(bits)
    number = sum(1 << (15 - bit) for bit in set(bits)).to_bytes(2, "big")[: last // 8 + 1]
    return bytes([0x03, len(number) + 1, 7 - last % 8]) + number


def _request(pem: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(pem.encode())
    except ValueError as error:
        raise DiagnosticError("Failed to parse certificate request PEM", str(error)) from None
    if not request.is_signature_valid:
        raise DiagnosticError("Failed to verify certificate request", "its signature is not by its key")
    return request


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise DiagnosticError("Failed to parse CA certificate PEM", str(error)) from None


def _requested_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    order = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    return [name for kind in order for name in found if isinstance(name, kind)]


def _own_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None
