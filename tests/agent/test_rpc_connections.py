"""The kernel's tables of connections, read as event loops."""

from __future__ import annotations

import ipaddress
import sys

import pytest

from agent.paths import Paths
from agent.rpc_connections import connected_event_loops, endpoint
from tests.agent.conftest import FakeHost

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(address: str, port: int, state: str = "01") -> str:
    """A connection as the kernel prints it: each 32 bits of the address as a number of this machine's byte order."""
    packed = ipaddress.ip_address(address).packed
    words = [int.from_bytes(packed[start : start + 4], sys.byteorder) for start in range(0, len(packed), 4)]
    remote = f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
    return f"   0: {remote} {remote} {state} 00000000:00000000 00:00000000 00000000 0 0 1 1\n"


def test_only_connections_that_lead_to_event_loops(machine: FakeHost) -> None:
    region1, region2 = "198.51.100.21", "198.51.100.22"
    lines = [
        line(region1, 5251),
        line(region1, 5250),
        line(region1, 5250),  # a second connection to it
        line(region2, 5250, state="06"),  # closed
        line(region2, 5240),
        line("127.0.0.1", 5250, state="0A"),
    ]
    machine.write("/proc/net/tcp", HEADER + "".join(lines))
    machine.write("/proc/net/tcp6", HEADER + line("::ffff:198.51.100.23", 5259) + line("2001:db8::21", 5250))
    assert connected_event_loops(Paths(machine.root)) == [
        "198.51.100.21:5250",
        "198.51.100.21:5251",
        "198.51.100.23:5259",
        "[2001:db8::21]:5250",
    ]


def test_a_kernel_without_ipv6(machine: FakeHost) -> None:
    machine.write("/proc/net/tcp", HEADER)
    assert connected_event_loops(Paths(machine.root)) == []


@pytest.mark.parametrize(
    ("address", "said"),
    [("198.51.100.21", "198.51.100.21:5250"), ("::ffff:198.51.100.21", "198.51.100.21:5250"), ("::1", "[::1]:5250")],
)
def test_an_endpoint_has_one_name(address: str, said: str) -> None:
    assert endpoint(address, 5250) == said
