"""TCP ports of this host."""

from __future__ import annotations

import socket
from pathlib import Path

TIMEOUT = 2.0
"""Seconds to wait for a connection."""
LISTENING = "0A"


def refused(port: int) -> str:
    """Why nobody accepts connections on `port` here, or ""."""
    reason = "nobody listens"
    for address in dict.fromkeys(("127.0.0.1", *_listeners(port))):
        try:
            with socket.create_connection((address, port), timeout=TIMEOUT):
                return ""
        except OSError as error:
            reason = error.strerror or str(error)
    return f"port {port}: {reason}"


def _listeners(port: int) -> list[str]:
    """IPv4 addresses with a listener on `port`, for one that isn't bound to the loopback address."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, number = local.split(":")
        if state == LISTENING and int(number, 16) == port and int(address, 16):
            found.append(socket.inet_ntoa(int(address, 16).to_bytes(4, "little")))
    return found
