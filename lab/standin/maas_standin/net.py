"""This host's interfaces and addresses, as MAAS's controllers record them."""

import ipaddress
import json
import subprocess
from dataclasses import dataclass
from typing import TypedDict


class InterfaceDict(TypedDict):
    """An interface on the wire between rack and region."""

    name: str
    mac: str
    addresses: list[str]


@dataclass(frozen=True)
class Interface:
    """One interface other than loopback."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    """With their prefix length, for example `198.18.0.3/24`; no link-local ones."""

    def to_dict(self) -> InterfaceDict:
        """For the wire."""
        return InterfaceDict(name=self.name, mac=self.mac, addresses=list(self.addresses))

    @classmethod
    def from_dict(cls, data: InterfaceDict) -> "Interface":
        """From the wire."""
        return cls(data["name"], data["mac"], tuple(data["addresses"]))


def interfaces() -> list[Interface]:
    """Interfaces that are not loopback, with the addresses that can be reached from elsewhere."""
    listing = subprocess.run(["ip", "-j", "addr"], check=True, capture_output=True, text=True).stdout
    found = []
    for link in json.loads(listing or "[]"):
        if not link or "LOOPBACK" in link.get("flags", []) or "address" not in link:
            continue
        addresses = tuple(
            f"{a['local']}/{a['prefixlen']}"
            for a in link.get("addr_info", [])
            if a.get("local") and not ipaddress.ip_address(a["local"]).is_link_local
        )
        found.append(Interface(link["ifname"], link["address"], addresses))
    return found


def addresses() -> list[str]:
    """All non-loopback addresses of this host, without prefix length (maas-facts §4.2)."""
    return [a.partition("/")[0] for i in interfaces() for a in i.addresses]
