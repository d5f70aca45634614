"""TLS that MAAS itself speaks, on every region, with one certificate of the cluster's authority (maas-facts §8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.cluster_secrets import Certificate, ClusterSecrets, Validity
from config.topology import Host, Tls

DAY = 24
"""Hours."""


@dataclass(frozen=True)
class MaasTls:
    """What the regions serve."""

    port: int
    certificate: Certificate


def maas_tls(tls: Tls, secrets: ClusterSecrets, servers: Sequence[tuple[str, Host]], *, client_address: str) -> MaasTls:
    """The certificate for `client_address` and all `servers`, balancers first; others give another certificate.

    The key is RSA: `maas config-tls` of recent versions signs with it as only RSA keys can.
    """
    certificate = secrets.server_certificate(
        "maas",
        dns_names=list(dict.fromkeys((*(name for name, _ in servers), *tls.names))),
        addresses=list(
            dict.fromkeys((client_address, *(str(address) for _, host in servers for address in host.addresses)))
        ),
        validity=Validity(tls.valid_days * DAY, tls.renew_days * DAY),
        rsa=True,
    )
    return MaasTls(tls.port, certificate)
