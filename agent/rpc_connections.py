"""To which event loops this host's rackd is connected, as its kernel knows it (maas-facts §4.2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from agent.paths import Paths
from agent.sockets import ESTABLISHED, listed

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
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
    for one in listed(paths.at(table)):
        if one.state == ESTABLISHED and one.remote.port in PORTS:
            yield endpoint(str(one.remote.address), one.remote.port)
