"""tls:index/selfSignedCert:SelfSignedCert and tls:index/locallySignedCert:LocallySignedCert."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Protocol

from toolchain.plugins import schema
from toolchain.plugins.protocol import PluginError
from toolchain.plugins.schema import Field, Kind
from toolchain.plugins.tls.uses import EXTENDED_KEY_USES, KEY_USES
from toolchain.plugins.values import Properties

if TYPE_CHECKING:
    from cryptography import x509

    from toolchain.plugins.tls.keys import Key

NANOSECONDS = 1_000_000_000
HOUR = 3600
VALIDITY = (
    Field("validityPeriodHours", Kind.WHOLE, required=True),
    Field("allowedUses", Kind.TEXTS, required=True, choices=(*KEY_USES, *EXTENDED_KEY_USES)),
    Field("earlyRenewalHours", Kind.WHOLE, default=0, least=0, replaces=False),
    Field("isCaCertificate", Kind.SWITCH, default=False),
    Field("setSubjectKeyId", Kind.SWITCH, default=False),
    Field("maxPathLength", Kind.WHOLE, least=0),
)


class _Issue(Protocol):
    def __call__(self, plan: Properties, begin: int) -> tuple[x509.Certificate, Key]: ...


class _Certificate:
    """What the two kinds of certificate share: validity, renewal, and how they change."""

    def __init__(self, fields: tuple[Field, ...], algorithm_output: str) -> None:
        self.fields = fields
        self._algorithm_output = algorithm_output
        self.computed: tuple[str, ...] = ("id", "certPem", algorithm_output, "validityStartTime", "validityEndTime")
        self.secrets = tuple(field.name for field in fields if field.secret)
        self.rebuilt: tuple[str, ...] = ()

    def check(self, _resource: str, _news: Properties) -> list[str]:
        return []

    def plan(self, news: Properties) -> Properties:
        return {**schema.planned(self.fields, news), "readyForRenewal": False}

    def due(self, olds: Properties, plan: Properties) -> list[str]:
        """A certificate inside its early renewal time is to be replaced."""
        return ["readyForRenewal"] if _renewal_reached(olds, plan) else []

    def update(self, olds: Properties, plan: Properties) -> Properties:
        return {**olds, **plan, "readyForRenewal": _renewal_reached(olds, plan)}

    def refreshed(self, olds: Properties) -> Properties:
        return {**olds, "readyForRenewal": _renewal_reached(olds, olds)}

    async def imported(self, id_: str) -> tuple[str, Properties, Properties]:
        raise PluginError("a certificate cannot be imported")

    def _made(self, plan: Properties, issue: _Issue) -> tuple[str, Properties]:
        from cryptography.hazmat.primitives.serialization import Encoding  # late: it takes a while to load

        from toolchain.plugins.tls import keys

        begin = time.time_ns()
        end = begin + schema.whole(plan["validityPeriodHours"]) * HOUR * NANOSECONDS
        certificate, key = issue(plan, begin)
        id_ = str(certificate.serial_number)
        times: Properties = {"validityStartTime": _rfc3339(begin), "validityEndTime": _rfc3339(end)}
        made: Properties = {
            "id": id_,
            "certPem": certificate.public_bytes(Encoding.PEM).decode(),
            self._algorithm_output: keys.algorithm_of(key),
            "readyForRenewal": _renewal_reached(times, plan),
        }
        return id_, {**plan, **times, **made}


class SelfSignedCert(_Certificate):
    """A certificate signed by its own key."""

    def __init__(self) -> None:
        own = (
            Field("privateKeyPem", Kind.TEXT, required=True, secret=True),
            Field("subject", Kind.OBJECT),
            Field("dnsNames", Kind.TEXTS),
            Field("ipAddresses", Kind.TEXTS),
            Field("uris", Kind.TEXTS),
            Field("setAuthorityKeyId", Kind.SWITCH, default=False),
        )
        super().__init__((*own, *VALIDITY), "keyAlgorithm")

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        from toolchain.plugins.tls import issue

        return self._made(plan, issue.self_signed)


class LocallySignedCert(_Certificate):
    """A certificate for a request, signed by the authority whose certificate and key are given."""

    def __init__(self) -> None:
        own = (
            Field("certRequestPem", Kind.TEXT, required=True),
            Field("caCertPem", Kind.TEXT, required=True),
            Field("caPrivateKeyPem", Kind.TEXT, required=True, secret=True),
        )
        super().__init__((*own, *VALIDITY), "caKeyAlgorithm")

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        from toolchain.plugins.tls import issue

        return self._made(plan, issue.locally_signed)


def _renewal_reached(state: Properties, plan: Properties) -> bool:
    """Whether now is within earlyRenewalHours (of `plan`) of the end of validity (of `state`)."""
    end, early = state.get("validityEndTime"), plan.get("earlyRenewalHours")
    if not isinstance(end, str):
        return False
    until = datetime.datetime.fromisoformat(end) - datetime.timedelta(hours=schema.whole(early))
    return datetime.datetime.now(datetime.UTC) >= until


def _rfc3339(nanoseconds: int) -> str:
    """A time in RFC 3339 with its fraction as short as it can be written, as Go does."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    base = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{base}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"
