"""tls:index/certRequest:CertRequest."""

from __future__ import annotations

import hashlib

from toolchain.plugins import schema
from toolchain.plugins.protocol import PluginError
from toolchain.plugins.schema import Field, Kind
from toolchain.plugins.values import Properties


class CertRequest:
    """A certificate signing request; every input replaces it."""

    fields: tuple[Field, ...] = (
        Field("privateKeyPem", Kind.TEXT, required=True, secret=True),
        Field("subject", Kind.OBJECT),
        Field("dnsNames", Kind.TEXTS),
        Field("ipAddresses", Kind.TEXTS),
        Field("uris", Kind.TEXTS),
    )
    computed: tuple[str, ...] = ("id", "keyAlgorithm", "certRequestPem")
    secrets: tuple[str, ...] = ("privateKeyPem",)
    rebuilt: tuple[str, ...] = ()

    def check(self, _resource: str, _news: Properties) -> list[str]:
        return []

    def plan(self, news: Properties) -> Properties:
        return schema.planned(self.fields, news)

    def due(self, _olds: Properties, _plan: Properties) -> list[str]:
        return []

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        from cryptography import x509  # late: cryptography takes a while to load
        from cryptography.hazmat.primitives.serialization import Encoding

        from toolchain.plugins.tls import keys, names

        key = keys.load(str(plan["privateKeyPem"]))
        builder = x509.CertificateSigningRequestBuilder(names.subject(plan.get("subject")))
        if alternatives := names.alternative_names(plan):
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        request = builder.sign(key, keys.signing_hash(key))
        der = keys.trimmed(request.public_bytes(Encoding.DER))
        id_ = hashlib.sha1(der, usedforsecurity=False).hexdigest()
        made: Properties = {
            "id": id_,
            "keyAlgorithm": keys.algorithm_of(key),
            "certRequestPem": request.public_bytes(Encoding.PEM).decode(),
        }
        return id_, {**plan, **made}

    def update(self, olds: Properties, plan: Properties) -> Properties:
        return {**olds, **plan}

    def refreshed(self, olds: Properties) -> Properties:
        return olds

    async def imported(self, id_: str) -> tuple[str, Properties, Properties]:
        raise PluginError("a CertRequest cannot be imported")
