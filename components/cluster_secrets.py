"""Passwords and the certificate authority of a cluster. The only user of pulumi_random and pulumi_tls."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random
import pulumi_tls as tls

YEAR = 365 * 24
"""Hours."""

PASSWORD_LENGTH = 32
"""Letters and digits: about 190 bits, and no character that any configuration file would want quoted."""

VRRP_PASSWORD_LENGTH = 8
"""All that VRRP takes. It is sent in the clear, so it keeps a neighbour's keepalived out by mistake, no attacker."""

RSA_BITS = 3072
"""As strong as the P-256 of the other keys."""


@dataclass(frozen=True)
class Validity:
    """How long a certificate holds, and when a `pulumi up` replaces it; both in hours."""

    hours: int = YEAR
    renewed_hours: int = 30 * 24
    """Before its end."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, both PEM."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    """Secret."""


class ClusterSecrets(pulumi.ComponentResource):
    """What the members of one cluster trust each other by, made once and kept in the state, encrypted."""

    database_password: pulumi.Output[str]
    admin_password: pulumi.Output[str]
    ca_certificate: pulumi.Output[str]
    """PEM; not secret."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maas:index:ClusterSecrets", name, {}, opts)
        self._name = name
        self.database_password = self.password("database-password")
        self.admin_password = self.password("admin-password")
        self._ca_key = self._private_key("ca-key")
        self._ca = tls.SelfSignedCert(
            f"{name}-ca",
            private_key_pem=self._ca_key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            set_authority_key_id=True,
            allowed_uses=["cert_signing", "crl_signing", "digital_signature"],
            subject=tls.SelfSignedCertSubjectArgs(common_name=f"maas-ha {pulumi.get_stack()}"),
            validity_period_hours=10 * YEAR,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ca_certificate = self._ca.cert_pem
        self.register_outputs(
            {
                "database_password": self.database_password,
                "admin_password": self.admin_password,
                "ca_certificate": self.ca_certificate,
            }
        )

    def server_certificate(
        self,
        name: str,
        *,
        dns_names: list[str],
        addresses: list[str],
        validity: Validity = Validity(),
        rsa: bool = False,
        client: bool = False,
    ) -> Certificate:
        """A certificate of this authority for a server; renewed by the first `pulumi up` of its last days.

        Its key is ECDSA, or RSA for a server that takes no other. With `client` its holder may also call other servers
        by it, which take nobody without one.
        """
        key = self._rsa_key(f"{name}-key") if rsa else self._private_key(f"{name}-key")
        request = tls.CertRequest(
            f"{self._name}-{name}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=dns_names[0]),
            dns_names=dns_names,
            ip_addresses=addresses,
            opts=pulumi.ResourceOptions(parent=self),
        )
        signed = tls.LocallySignedCert(
            f"{self._name}-{name}-certificate",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._ca_key.private_key_pem,
            ca_cert_pem=self._ca.cert_pem,
            allowed_uses=["digital_signature", "key_encipherment", "server_auth", *(["client_auth"] if client else [])],
            validity_period_hours=validity.hours,
            early_renewal_hours=validity.renewed_hours,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return Certificate(signed.cert_pem, key.private_key_pem_pkcs8)

    def vrrp_password(self) -> pulumi.Output[str]:
        """What balancers that share an address know each other by; secret."""
        return self.password("vrrp-password", VRRP_PASSWORD_LENGTH)

    def _private_key(self, name: str) -> tls.PrivateKey:
        options = pulumi.ResourceOptions(parent=self)
        return tls.PrivateKey(f"{self._name}-{name}", algorithm="ECDSA", ecdsa_curve="P256", opts=options)

    def _rsa_key(self, name: str) -> tls.PrivateKey:
        options = pulumi.ResourceOptions(parent=self)
        return tls.PrivateKey(f"{self._name}-{name}", algorithm="RSA", rsa_bits=RSA_BITS, opts=options)

    def password(self, name: str, length: int = PASSWORD_LENGTH) -> pulumi.Output[str]:
        """A password that only some clusters need; secret."""
        options = pulumi.ResourceOptions(parent=self)
        password = random.RandomPassword(f"{self._name}-{name}", length=length, special=False, opts=options)
        return password.result
