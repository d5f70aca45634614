"""tls:index/privateKey:PrivateKey."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

from toolchain.plugins import schema
from toolchain.plugins.protocol import PluginError
from toolchain.plugins.schema import Field, Kind
from toolchain.plugins.values import Properties

if TYPE_CHECKING:
    from toolchain.plugins.tls.keys import Key

CURVES = ("P224", "P256", "P384", "P521")
ALGORITHMS = ("RSA", "ECDSA", "ED25519")
# the official state's marker of its format: without it the official plugin would migrate the state
META: Properties = {"__meta": '{"schema_version":"1"}'}
PRIVATE = ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh")
PUBLIC = ("publicKeyPem", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256")


class PrivateKey:
    """A private key in all its forms; every input replaces it."""

    fields: tuple[Field, ...] = (
        Field("algorithm", Kind.TEXT, required=True, choices=ALGORITHMS),
        Field("rsaBits", Kind.WHOLE, default=2048),
        Field("ecdsaCurve", Kind.TEXT, default="P224", choices=CURVES),
    )
    computed: tuple[str, ...] = ("id", *PRIVATE, *PUBLIC)
    secrets: tuple[str, ...] = PRIVATE
    rebuilt: tuple[str, ...] = computed

    def check(self, _resource: str, _news: Properties) -> list[str]:
        return []

    def plan(self, news: Properties) -> Properties:
        return schema.planned(self.fields, news)

    def due(self, _olds: Properties, _plan: Properties) -> list[str]:
        return []

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        return await asyncio.to_thread(_created, plan)  # a big RSA key takes seconds

    def update(self, olds: Properties, plan: Properties) -> Properties:
        return {**olds, **plan}

    def refreshed(self, olds: Properties) -> Properties:
        return olds

    async def imported(self, id_: str) -> tuple[str, Properties, Properties]:
        raise PluginError("a PrivateKey cannot be imported")


def _created(plan: Properties) -> tuple[str, Properties]:
    from toolchain.plugins.tls import keys  # late: cryptography takes a while to load

    key = keys.generate(str(plan["algorithm"]), schema.whole(plan["rsaBits"]), str(plan["ecdsaCurve"]))
    id_ = hashlib.sha1(keys.trimmed(keys.public_der(key)), usedforsecurity=False).hexdigest()
    return id_, {**plan, "id": id_, **_forms(key), **META}


def _forms(key: Key) -> Properties:
    from toolchain.plugins.tls import keys

    line = keys.public_openssh(key)
    blob = base64.b64decode(line.split()[1]) if line else b""
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {
        "privateKeyPem": keys.private_pem(key),
        "privateKeyPemPkcs8": keys.private_pkcs8(key),
        "privateKeyOpenssh": keys.private_openssh(key),
        "publicKeyPem": keys.public_pem(key),
        "publicKeyOpenssh": line,
        "publicKeyFingerprintMd5": ":".join(md5[at : at + 2] for at in range(0, 32, 2)) if line else "",
        "publicKeyFingerprintSha256": f"SHA256:{sha256}" if line else "",
    }
