"""DHCP messages in whole frames: a server understands them, and nothing that comes in is more than it says."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from agent.dhcp_packets import DISCOVER, EVERYWHERE, NOWHERE, RELEASE, REQUEST, Message, Reply, checksum, parse
from tests.agent.dhcp_server import ACK, NAK, OFFER, SERVER, SERVER_MAC, answer, read

MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.integers(1, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
TRANSACTIONS = st.integers(0, 2**32 - 1)


@given(MACS, TRANSACTIONS, st.integers(0, 100_000), ADDRESSES, ADDRESSES)
def test_a_server_reads_what_a_client_sends(
    mac: bytes, transaction: int, seconds: int, address: str, server: str
) -> None:
    first = read(Message(DISCOVER, mac, transaction, seconds).frame())
    assert (first.kind, first.mac, first.transaction, first.seconds) == (1, mac, transaction, min(seconds, 65535))
    assert (first.own, first.to, first.to_mac, first.flags) == (NOWHERE, EVERYWHERE, b"\xff" * 6, 0x8000)
    assert first.options[61] == b"\x01" + mac
    second = read(Message(REQUEST, mac, transaction, requested=address, server=server).frame())
    assert second.options[50] == ipaddress.IPv4Address(address).packed
    assert second.options[54] == ipaddress.IPv4Address(server).packed
    renewal = read(Message(REQUEST, mac, transaction, own=address, to=server, to_mac=SERVER_MAC).frame())
    assert (renewal.own, renewal.to, renewal.to_mac, renewal.flags) == (address, server, SERVER_MAC, 0x8000)
    assert not {50, 54} & renewal.options.keys()


def test_a_release_asks_for_nothing() -> None:
    frame = Message(RELEASE, SERVER_MAC, 1, own="198.51.100.9", server=SERVER, to=SERVER, to_mac=SERVER_MAC).frame()
    assert (read(frame).kind, read(frame).flags, 55 in read(frame).options) == (7, 0, False)


@given(MACS, TRANSACTIONS, ADDRESSES, ADDRESSES, st.integers(1, 2**32 - 1), st.sampled_from([OFFER, ACK]), st.binary())
def test_a_client_reads_what_a_server_answers(
    mac: bytes, transaction: int, address: str, server: str, lease: int, kind: int, trailer: bytes
) -> None:
    """Ethernet fills short frames up."""
    frame = answer(Message(DISCOVER, mac, transaction).frame(), kind, address, server, lease) + trailer
    assert parse(frame) == Reply(kind, mac, transaction, address, server, lease, SERVER_MAC)


def test_a_refusal() -> None:
    frame = answer(Message(REQUEST, b"\x02" + bytes(5), 7).frame(), NAK)
    assert parse(frame) == Reply(NAK, b"\x02" + bytes(5), 7, NOWHERE, SERVER, 0, SERVER_MAC)


WHOLE = answer(Message(DISCOVER, b"\x02" + bytes(5), 7).frame(), OFFER, "198.51.100.100")


@given(st.integers(0, len(WHOLE) - 2))
def test_cut_short_it_is_no_answer(length: int) -> None:
    assert parse(WHOLE[:length]) is None


@given(st.binary(max_size=600))
def test_anything_may_come_in(frame: bytes) -> None:
    assert parse(frame) is None


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_one_byte_of_it_may_be_anything(at: int, value: int) -> None:
    found = parse(WHOLE[:at] + bytes((value,)) + WHOLE[at + 1 :])
    assert found is None or (found.kind in (OFFER, ACK, NAK) and len(found.mac) == 6)


def test_what_a_client_sends_is_no_answer() -> None:
    assert parse(Message(DISCOVER, SERVER_MAC, 7).frame()) is None


@given(st.binary(min_size=2).filter(lambda data: len(data) % 2 == 0))
def test_a_checksum_makes_the_sum_right(data: bytes) -> None:
    assert checksum(data + checksum(data).to_bytes(2, "big")) == 0
