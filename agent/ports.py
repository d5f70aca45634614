"""TCP ports, of this host and of others."""

from __future__ import annotations

import socket
from pathlib import Path

from agent.sockets import LISTENING, listed

TIMEOUT = 2.0
"""Seconds to wait for a connection."""


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


def reachable(address: str, port: int) -> bool:
    """True if somebody accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT):
            return True
    except OSError:
        return False


def _listeners(port: int) -> list[str]:
    """IPv4 addresses with a listener on `port`, for one that isn't bound to the loopback address."""
    sockets = listed(Path("/proc/net/tcp"))
    ends = [one.local for one in sockets if one.state == LISTENING and one.local.port == port]
    return [str(end.address) for end in ends if not end.address.is_unspecified]
