"""Kinds of text in a stack file: how each is written, as a regular expression and in the operator's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, StringConstraints


@dataclass(frozen=True)
class Form:
    """How a kind of text is written."""

    what: str
    fits: str


FORMS: dict[str, Form] = {}
"""Regular expression → what it stands for, in the operator's words."""


def _form(pattern: str, what: str, fits: str) -> StringConstraints:
    FORMS[pattern] = Form(what, fits)
    return StringConstraints(pattern=pattern)


HostName = Annotated[
    str,
    _form(
        r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "short host name",
        "use lower-case letters, digits and hyphens: no dot, and no underscore, which MAAS refuses (maas-facts §1.3)",
    ),
]
"""A host's short name: it is the machine's hostname, by which MAAS tells controllers apart (maas-facts §4.5)."""

SqlName = Annotated[
    str,
    _form(
        r"^[a-z_][a-z0-9_]{0,62}$", "name that PostgreSQL takes as it is", "use lower-case letters, digits, underscores"
    ),
]
"""A PostgreSQL identifier that needs no quotes."""

Email = Annotated[str, _form(r"^[^@\s]+@[^@\s]+$", "e-mail address", "write it such as admin@example.com")]

DnsName = Annotated[
    str,
    _form(
        r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "DNS name that MAAS takes in a URL",
        "use lower-case letters, digits, hyphens and dots: no underscore (maas-facts §1.3)",
    ),
]
"""A name without an underscore, which MAAS would refuse (maas-facts §1.3)."""

UserName = Annotated[
    str, _form(r"^[a-z_][a-z0-9_-]{0,31}$", "user name", "use lower-case letters, digits, hyphens and underscores")
]

AptUrls = Annotated[
    str,
    _form(
        r"^(https?://[A-Za-z0-9.:\[\]-]+(/[^\s]*)?|(file|copy):/[^\s]*)"
        r"( (https?://[A-Za-z0-9.:\[\]-]+(/[^\s]*)?|(file|copy):/[^\s]*))*$",
        "list of apt's URLs",
        "write http, https or file URLs separated by spaces, and in them no password: apt reads it from auth.conf",
    ),
]

Words = Annotated[
    str, _form(r"^[A-Za-z0-9./_-]+( [A-Za-z0-9./_-]+)*$", "list of words", "write them as in apt's sources, such as ./")
]

PublicKey = Annotated[
    str,
    _form(
        r"^\s*-----BEGIN PGP PUBLIC KEY BLOCK-----",
        "ASCII-armoured public key",
        "write what `gpg --armor --export` prints",
    ),
]

Channel = Annotated[
    str,
    _form(
        r"^\d+\.\d+/(stable|candidate|beta|edge)(/[a-z0-9.-]+)?$",
        "channel of a snap",
        "write it such as 3.6/stable",
    ),
]

HostKey = Annotated[
    str,
    _form(
        r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+=*( [^\n]*)?\n?$",
        "host key",
        "write it as in the host's own /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…",
    ),
    AfterValidator(lambda key: " ".join(key.split()[:2])),
]
"""A host's public key; what follows `TYPE BASE64` is left out."""
