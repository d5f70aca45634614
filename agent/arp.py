"""Who in the network has an IPv4 address: ARP probes, which change nobody's tables (RFC 5227 §2.1)."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time

ARP, IPV4, ETHERNET = 0x0806, 0x0800, 1
REQUEST = 1
BROADCAST = b"\xff" * 6
FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
"""Ethernet: destination, source, type; ARP: hardware, protocol, both lengths, operation, sender, target."""


def owners(interface: str, address: str, seconds: float) -> set[str]:
    """MAC addresses other than this interface's that say within `seconds` that they have `address`; needs root."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as link:
        link.bind((interface, ARP))
        own: bytes = link.getsockname()[4]
        link.send(probe(own, address))
        found: set[bytes] = set()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                found.add(owner(link.recv(65536), address))
            except TimeoutError:
                break
    return {mac.hex(":") for mac in found - {b"", own}}


def probe(own: bytes, address: str) -> bytes:
    """The frame that asks for `address` without telling one of our own."""
    wanted, nothing = ipaddress.IPv4Address(address).packed, bytes(4)
    return FRAME.pack(BROADCAST, own, ARP, ETHERNET, IPV4, 6, 4, REQUEST, own, nothing, bytes(6), wanted)


def owner(frame: bytes, address: str) -> bytes:
    """MAC address of the sender of an ARP `frame` if it says that it has `address`, or b""."""
    if len(frame) < FRAME.size:
        return b""
    fields = FRAME.unpack_from(frame)
    return bytes(fields[8]) if fields[9] == ipaddress.IPv4Address(address).packed else b""
