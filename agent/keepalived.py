"""keepalived as Debian has it, and what of it a bundle says: both sides import this."""

from __future__ import annotations

from dataclasses import dataclass

CONF = "/etc/keepalived/keepalived.conf"
UNIT = "keepalived.service"


@dataclass(frozen=True)
class KeepalivedSettings:
    """This host's part in an address that balancers share. The secret `vrrp_password` is in its file."""

    address: str
    """This host's own in the same network, by which its interface is found."""
    virtual_address: str
    """IPv4, without prefix."""
    peers: tuple[str, ...]
    """Addresses of the other balancers."""
    last: bool
    """True on the balancer that is changed last: from then on exactly one host has the address."""
