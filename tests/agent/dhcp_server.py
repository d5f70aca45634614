"""The least of a DHCP server: what a client's frame says, and a frame that answers it."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from agent.dhcp_packets import ACK, NAK, NOWHERE, OFFER, checksum

SERVER, SERVER_MAC = "198.51.100.31", bytes.fromhex("0200000000f1")


@dataclass(frozen=True)
class Asked:
    """A client's message as a server reads it."""

    kind: int
    mac: bytes
    transaction: int
    seconds: int
    flags: int
    own: str
    options: dict[int, bytes]
    to: str
    to_mac: bytes


def read(frame: bytes) -> Asked:
    """Take a client's frame apart; it must be whole and its checksums right."""
    ip, udp = frame[14:34], frame[34:]
    assert frame[12:14] == b"\x08\x00"
    assert checksum(ip) == 0
    assert len(frame) == 14 + struct.unpack_from("!H", ip, 2)[0]
    assert checksum(ip[12:20] + struct.pack("!HH", 17, len(udp)) + udp) == 0
    assert struct.unpack_from("!HHH", udp) == (68, 67, len(udp))
    bootp = udp[8:]
    assert bootp[236:240] == b"\x63\x82\x53\x63"
    transaction, seconds, flags = struct.unpack_from("!IHH", bootp, 4)
    options, at = {}, 240
    while bootp[at] != 255:
        options[bootp[at]] = bootp[at + 2 : at + 2 + bootp[at + 1]]
        at += 2 + bootp[at + 1]
    own, to = socket.inet_ntoa(bootp[12:16]), socket.inet_ntoa(ip[16:20])
    assert bootp[28:34] == frame[6:12]
    return Asked(options[53][0], frame[6:12], transaction, seconds, flags, own, options, to, frame[:6])


def answer(
    frame: bytes, kind: int, address: str = NOWHERE, server: str = SERVER, lease: int = 600, via: bytes = SERVER_MAC
) -> bytes:
    """The frame with which a server answers a client's `frame` by broadcast."""
    asked = read(frame)
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, asked.transaction, 0, 0x8000)
    bootp = head + bytes(4) + socket.inet_aton(address) + bytes(8) + asked.mac + bytes(10 + 192) + b"\x63\x82\x53\x63"
    bootp += bytes((53, 1, kind, 54, 4)) + socket.inet_aton(server)
    bootp += b"" if kind == NAK else bytes((51, 4)) + struct.pack("!I", lease)
    datagram = struct.pack("!HHHH", 67, 68, 8 + len(bootp) + 1, 0) + bootp + b"\xff"
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0) + socket.inet_aton(server) + b"\xff" * 4
    return b"\xff" * 6 + via + b"\x08\x00" + ip + datagram


__all__ = ["ACK", "NAK", "OFFER", "SERVER", "SERVER_MAC", "Asked", "answer", "read"]
