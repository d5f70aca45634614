"""Subjects and subject alternative names. Imported late: it loads cryptography."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from toolchain.plugins import schema
from toolchain.plugins.bridged import DiagnosticError
from toolchain.plugins.schema import Field, Kind
from toolchain.plugins.values import Properties, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

# in the order in which the official plugin writes them
ATTRIBUTES = (
    (Field("country", Kind.TEXT), NameOID.COUNTRY_NAME),
    (Field("province", Kind.TEXT), NameOID.STATE_OR_PROVINCE_NAME),
    (Field("locality", Kind.TEXT), NameOID.LOCALITY_NAME),
    (Field("streetAddresses", Kind.TEXTS), NameOID.STREET_ADDRESS),
    (Field("postalCode", Kind.TEXT), NameOID.POSTAL_CODE),
    (Field("organization", Kind.TEXT), NameOID.ORGANIZATION_NAME),
    (Field("organizationalUnit", Kind.TEXT), NameOID.ORGANIZATIONAL_UNIT_NAME),
    (Field("commonName", Kind.TEXT), NameOID.COMMON_NAME),
    (Field("serialNumber", Kind.TEXT), NameOID.SERIAL_NUMBER),
)
PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")


def subject(value: Value) -> x509.Name:
    """The name that the input `subject` describes; an absent one is the empty name.

    Raises PluginError or DiagnosticError naming the part that is wrong.
    """
    parts: Properties = value if isinstance(value, dict) else {}
    schema.refuse_unknown_inputs((field for field, _ in ATTRIBUTES), "subject", parts)
    sets = []
    for field, oid in ATTRIBUTES:
        found = schema.convert(field, parts.get(field.name))
        wanted = schema.texts(found) if field.kind is Kind.TEXTS else [str(found)] if found else []
        if attributes := [_attribute(field.name, oid, text) for text in dict.fromkeys(wanted)]:
            sets.append(x509.RelativeDistinguishedName(attributes))
    return x509.Name(sets)


def alternative_names(plan: Properties) -> list[x509.GeneralName]:
    """The names of the inputs dnsNames, ipAddresses and uris, in that order. Raises DiagnosticError."""
    names: list[x509.GeneralName] = list(_ascii("DNS name", x509.DNSName, schema.texts(plan.get("dnsNames"))))
    for text in schema.texts(plan.get("ipAddresses")):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            raise DiagnosticError("Invalid IP address", f'Failed to parse "{text}"') from None
    names += _ascii("URI", x509.UniformResourceIdentifier, schema.texts(plan.get("uris")))
    return names


def _ascii(
    what: str, make: type[x509.DNSName] | type[x509.UniformResourceIdentifier], texts: Iterable[str]
) -> Iterable[x509.GeneralName]:
    for text in texts:
        try:
            yield make(text)
        except ValueError:
            raise DiagnosticError(f"Invalid {what}", f'"{text}" holds characters outside ASCII') from None


def _attribute(name: str, oid: x509.ObjectIdentifier, text: str) -> x509.NameAttribute[str]:
    kind = _ASN1Type.PrintableString if PRINTABLE.fullmatch(text) else _ASN1Type.UTF8String
    try:
        return x509.NameAttribute(oid, text, _type=kind)
    except ValueError as error:
        raise DiagnosticError("Invalid subject", f"{name}: {error}") from None
