"""Connections between racks and event loops, as this host's kernel knows them (maas-facts §4.2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterator

from agent.paths import Paths
from agent.sockets import ESTABLISHED, Address, listed

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
PORTS = range(5250, 5260)
"""Where event loops listen (maas-facts §2)."""


def connected_event_loops(paths: Paths) -> list[str]:
    """`ADDRESS:PORT` of each event loop that a connection of this host leads to, IPv6 in brackets, sorted."""
    return sorted({end for table in TABLES for end in _ends(paths, table)})


def connected_to(paths: Paths, ports: Container[int]) -> list[tuple[str, int]]:
    """Address of the other side and port here of each connection to one of `ports` of this host."""
    sockets = (one for table in TABLES for one in listed(paths.at(table)))
    return [
        (str(plain(one.remote.address)), one.local.port)
        for one in sockets
        if one.state == ESTABLISHED and one.local.port in ports
    ]


def plain(address: Address) -> Address:
    """The address; an IPv4 address inside an IPv6 one is meant as itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def endpoint(address: str, port: int) -> str:
    """`ADDRESS:PORT`; an IPv4 address inside an IPv6 one is meant as itself."""
    parsed = plain(ipaddress.ip_address(address))
    return f"[{parsed}]:{port}" if parsed.version == 6 else f"{parsed}:{port}"


def _ends(paths: Paths, table: str) -> Iterator[str]:
    for one in listed(paths.at(table)):
        if one.state == ESTABLISHED and one.remote.port in PORTS:
            yield endpoint(str(one.remote.address), one.remote.port)
