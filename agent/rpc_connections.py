"""To which event loops this host's rackd is connected, as its kernel knows it (maas-facts §4.2)."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator

from agent.paths import Paths

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"
PORTS = range(5250, 5260)
"""Where event loops listen (maas-facts §2)."""


def connected_event_loops(paths: Paths) -> list[str]:
    """`ADDRESS:PORT` of each event loop that a connection of this host leads to, IPv6 in brackets, sorted."""
    return sorted({end for table in TABLES for end in _ends(paths, table)})


def endpoint(address: str, port: int) -> str:
    """`ADDRESS:PORT`; an IPv4 address inside an IPv6 one is meant as itself."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return f"[{parsed}]:{port}"
        parsed = parsed.ipv4_mapped
    return f"{parsed}:{port}"


def _ends(paths: Paths, table: str) -> Iterator[str]:
    try:
        lines = paths.at(table).read_text().splitlines()[1:]
    except FileNotFoundError:
        return
    for line in lines:
        fields = line.split()
        address, _, port = fields[2].partition(":")
        if fields[3] == ESTABLISHED and int(port, 16) in PORTS:
            yield endpoint(str(ipaddress.ip_address(_in_network_order(address))), int(port, 16))


def _in_network_order(text: str) -> bytes:
    """The kernel prints each 32 bits of an address as a number of this machine's byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words)
