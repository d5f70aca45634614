"""Bytes that go over SSH between this machine and the lab's hosts, headers and all, counted on the bridge."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Mapping

EVERY_PROTOCOL, IPV4, TCP, SSH = 0x0003, b"\x08\x00", 6, 22
PACKET_OUTGOING = 4
LONGEST = 65_600


class Counts:
    """Bytes of the SSH packets that it is shown."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.sent: Counter[str] = Counter()
        """Host → bytes to it."""
        self.received: Counter[str] = Counter()
        self._names = {socket.inet_aton(address): host for host, address in addresses.items()}

    def look(self, packet: bytes, *, outgoing: bool) -> None:
        """Count a packet if it is SSH's."""
        if packet[12:14] != IPV4 or packet[23] != TCP:
            return
        ports = 14 + (packet[14] & 0x0F) * 4
        port, host = (
            (packet[ports + 2 : ports + 4], packet[30:34]) if outgoing else (packet[ports : ports + 2], packet[26:30])
        )
        if int.from_bytes(port, "big") == SSH and host in self._names:
            (self.sent if outgoing else self.received)[self._names[host]] += len(packet)


class Wire:
    """`with Wire(bridge, addresses) as counts:` counts until the block ends."""

    def __init__(self, bridge: str, addresses: Mapping[str, str]) -> None:
        self.counts = Counts(addresses)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**24)
        self._socket.bind((bridge, EVERY_PROTOCOL))
        self._socket.settimeout(0.2)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Counts:
        self._thread.start()
        return self.counts

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()

    def _count(self) -> None:
        while not self._done.is_set():
            try:
                packet, where = self._socket.recvfrom(LONGEST)
            except TimeoutError:
                continue
            self.counts.look(packet, outgoing=where[2] == PACKET_OUTGOING)
