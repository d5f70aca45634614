"""DHCP as a client on a directly attached network speaks it (RFC 2131), in whole Ethernet frames of IPv4."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
"""Values of option 53 (RFC 2132 §9.6)."""
NOWHERE, EVERYWHERE = "0.0.0.0", "255.255.255.255"  # noqa: S104 - the sender without an address, not a listener
BROADCAST_MAC = b"\xff" * 6

_ETHERNET = struct.Struct("!6s6sH")
_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
"""operation, hardware, its length, hops, transaction, seconds, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname,
file, cookie."""
_IPV4, _UDP_PROTOCOL, _SERVER_PORT, _CLIENT_PORT = 0x0800, 17, 67, 68
_BOOTREQUEST, _BOOTREPLY, _BROADCAST_FLAG, _COOKIE = 1, 2, 0x8000, b"\x63\x82\x53\x63"
_PAD, _REQUESTED, _LEASE, _KIND, _SERVER, _WANTED, _CLIENT, _END = 0, 50, 51, 53, 54, 55, 61, 255
_ASKED_FOR = bytes((1, 3, 6, _LEASE, _SERVER, 58, 59))
_SHORTEST = 300
"""Bytes of BOOTP below which old relays drop a packet (RFC 1542 §2.1)."""


@dataclass(frozen=True)
class Message:
    """What a client sends."""

    kind: int
    mac: bytes
    transaction: int
    """32 bits that the answer repeats."""
    seconds: int = 0
    """Since the client began to ask: a server of a pair leaves others' clients alone until it says a few."""
    own: str = NOWHERE
    """The client's address while it may use it (ciaddr)."""
    requested: str = ""
    server: str = ""
    """Server identifier; "" where any server may answer."""
    to: str = EVERYWHERE
    to_mac: bytes = BROADCAST_MAC

    def frame(self) -> bytes:
        """The whole frame. Its answer is broadcast, for nobody would answer ARP for the client's address."""
        options = [(_KIND, bytes((self.kind,))), (_CLIENT, b"\x01" + self.mac)]
        if self.requested:
            options.append((_REQUESTED, _packed(self.requested)))
        if self.server:
            options.append((_SERVER, _packed(self.server)))
        if self.kind != RELEASE:
            options.append((_WANTED, _ASKED_FOR))
        flags = 0 if self.kind == RELEASE else _BROADCAST_FLAG
        head = (_BOOTREQUEST, 1, 6, 0, self.transaction, min(self.seconds, 0xFFFF), flags)
        addresses = (_packed(self.own), bytes(4), bytes(4), bytes(4))
        bootp = _BOOTP.pack(*head, *addresses, self.mac, b"", b"", _COOKIE)
        bootp += b"".join(bytes((code, len(value))) + value for code, value in options) + bytes((_END,))
        bootp = bootp.ljust(_SHORTEST, b"\0")
        return _ETHERNET.pack(self.to_mac, self.mac, _IPV4) + _in_ip(self.own, self.to, bootp)


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    kind: int
    """`OFFER`, `ACK` or `NAK`."""
    mac: bytes
    """The client's."""
    transaction: int
    address: str
    """The client's address; `NOWHERE` in a NAK."""
    server: str
    lease: int
    """Seconds; 0 in a NAK."""
    via: bytes
    """MAC address that the frame came from: the server's, on a network that both are on."""


def parse(frame: bytes) -> Reply | None:
    """The reply in an Ethernet frame, or None for anything else, cut short or nonsense."""
    payload = _udp_payload(frame)
    if len(payload) < _BOOTP.size:
        return None
    operation, hardware, length, _, transaction, _, _, _, yours, _, _, chaddr, _, _, cookie = _BOOTP.unpack_from(
        payload
    )
    if (operation, hardware, length, cookie) != (_BOOTREPLY, 1, 6, _COOKIE):
        return None
    options = _options(payload[_BOOTP.size :])
    kind, server, lease = options.get(_KIND, b""), options.get(_SERVER, b""), options.get(_LEASE, bytes(4))
    if kind not in (bytes((OFFER,)), bytes((ACK,)), bytes((NAK,))) or len(server) != 4 or len(lease) != 4:
        return None
    address, seconds = str(ipaddress.IPv4Address(yours)), int.from_bytes(lease, "big")
    if kind[0] != NAK and (address == NOWHERE or not seconds):
        return None
    return Reply(
        kind[0], chaddr[:6], transaction, address, str(ipaddress.IPv4Address(server)), seconds, bytes(frame[6:12])
    )


def _in_ip(sender: str, receiver: str, payload: bytes) -> bytes:
    addresses = _packed(sender), _packed(receiver)
    length = _UDP.size + len(payload)
    datagram = _UDP.pack(_CLIENT_PORT, _SERVER_PORT, length, 0) + payload
    pseudo = b"".join(addresses) + struct.pack("!HH", _UDP_PROTOCOL, length)
    datagram = datagram[:6] + struct.pack("!H", checksum(pseudo + datagram) or 0xFFFF) + payload
    fields = (0x45, 0, _IP.size + length, 0, 0, 64, _UDP_PROTOCOL)
    sum_of_head = checksum(_IP.pack(*fields, 0, *addresses))
    return _IP.pack(*fields, sum_of_head, *addresses) + datagram


def _udp_payload(frame: bytes) -> bytes:
    """What a frame carries to a DHCP client, b"" for nothing.

    The UDP checksum isn't looked at: between two interfaces of one machine nobody computes it.
    """
    if len(frame) < _ETHERNET.size + _IP.size or _ETHERNET.unpack_from(frame)[2] != _IPV4:
        return b""
    packet = frame[_ETHERNET.size :]
    version, _, total, _, fragment, _, protocol, _, _, _ = _IP.unpack_from(packet)
    start = (version & 15) * 4
    whole = version >> 4 == 4 and start >= _IP.size and not fragment & 0x3FFF and protocol == _UDP_PROTOCOL
    if not whole or not start + _UDP.size <= total <= len(packet):
        return b""
    _, port, length, _ = _UDP.unpack_from(packet, start)
    if port != _CLIENT_PORT or not _UDP.size <= length <= total - start:
        return b""
    return packet[start + _UDP.size : start + length]


def _options(data: bytes) -> dict[int, bytes]:
    """Code → value; one that is cut short ends the list."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            break
        found[data[at]] = found.get(data[at], b"") + data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 over what carries a right one."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed
