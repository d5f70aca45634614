"""ARP probes as RFC 5227 has them, and who says what in the answers."""

from __future__ import annotations

import pytest

from agent.arp import owner, probe

OWN, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ADDRESS = "198.51.100.40"


def reply(sender: str, mac: bytes = OTHER) -> bytes:
    """What a host that has `sender` answers."""
    head = OWN + mac + bytes.fromhex("0806 0001 0800 06 04 0002")
    return head + mac + bytes(map(int, sender.split("."))) + OWN + bytes(4) + bytes(18)


def test_a_probe_tells_no_address_of_its_own() -> None:
    expected = "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 00000000 000000000000 c6336428"
    assert probe(OWN, ADDRESS) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (reply(ADDRESS), OTHER),
        (reply("198.51.100.41"), b""),
        (probe(OTHER, ADDRESS), b""),
        (reply(ADDRESS)[:30], b""),
        (b"", b""),
    ],
    ids=["reply", "of another address", "another's probe", "cut short", "empty"],
)
def test_an_answer_names_its_sender(frame: bytes, found: bytes) -> None:
    assert owner(frame, ADDRESS) == found
