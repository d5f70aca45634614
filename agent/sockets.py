"""The kernel's own list of this host's sockets: /proc/net/tcp, tcp6 and udp."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path

ESTABLISHED, LISTENING = "01", "0A"
"""States of a TCP socket."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class End:
    """One end of a socket."""

    address: Address
    port: int


@dataclass(frozen=True)
class Socket:
    """One line of the list."""

    local: End
    remote: End
    state: str


def listed(table: Path) -> list[Socket]:
    """Every socket of `table`; none where the kernel has no such table."""
    try:
        lines = table.read_text().splitlines()[1:]
    except FileNotFoundError:
        return []
    return [Socket(_end(words[1]), _end(words[2]), words[3]) for words in map(str.split, lines)]


def _end(text: str) -> End:
    """The kernel prints each 32 bits of an address as a number of this machine's byte order."""
    address, _, port = text.partition(":")
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return End(ipaddress.ip_address(packed), int(port, 16))
