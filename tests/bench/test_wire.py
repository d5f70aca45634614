"""Bytes of SSH and of nothing else."""

from __future__ import annotations

import socket
import struct

from bench.wire import Counts

HOST, US = "198.51.100.11", "198.51.100.1"


def packet(source: str, target: str, ports: tuple[int, int], protocol: int = 6) -> bytes:
    header = b"\x45" + bytes(8) + bytes([protocol]) + bytes(2) + socket.inet_aton(source) + socket.inet_aton(target)
    return bytes(12) + b"\x08\x00" + header + struct.pack("!HH", *ports) + bytes(16)


def test_both_directions_are_counted_apart() -> None:
    counts = Counts({"db1": HOST})
    counts.look(packet(US, HOST, (40000, 22)), outgoing=True)
    counts.look(packet(HOST, US, (22, 40000)), outgoing=False)
    counts.look(packet(HOST, US, (22, 40000)), outgoing=False)
    assert (counts.sent["db1"], counts.received["db1"]) == (54, 108)


def test_other_ports_protocols_and_hosts_are_not() -> None:
    counts = Counts({"db1": HOST})
    counts.look(packet(US, HOST, (40000, 5240)), outgoing=True)
    counts.look(packet(US, HOST, (40000, 22), protocol=17), outgoing=True)
    counts.look(packet(US, "198.51.100.99", (40000, 22)), outgoing=True)
    assert not counts.sent
    assert not counts.received
