"""A drill's figures of DHCP, from what the agent's clients say."""

from __future__ import annotations

import dataclasses
import json

import pytest

from agent.dhcp_client import BOUND, LOST, OFFERED, REFUSED, RENEWED, UNANSWERED, Event
from agent.dhcp_clients import DOUBLED, Summary
from ops import drill_dhcp
from ops.drill_report import Dhcp, Exchanges
from ops.engine import EngineError

FAULT = 1_795_000_000.0
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
FIRST, OTHER = "198.51.100.100", "198.51.100.101"


def line(at: float, mac: str, event: str, address: str = FIRST, waited: float = 0.0) -> str:
    """As the agent prints it."""
    told = Event(mac, event, address, "198.51.100.31", 600, waited)
    return json.dumps({"time": FAULT + at, **dataclasses.asdict(told)})


def read(*lines: str) -> Dhcp:
    summary = json.dumps({"time": FAULT + 30, "event": "summary", **dataclasses.asdict(Summary(2))})
    return drill_dhcp.read("lb1", 2, [*lines, summary], FAULT)


def test_an_ask_counts_in_the_second_in_which_it_began() -> None:
    found = read(
        line(-1.5, A, OFFERED, waited=1.0),
        line(-1.4, A, BOUND, waited=1.1),
        line(0.1, B, BOUND, OTHER, waited=1.2),
        line(2.5, A, RENEWED, waited=0.1),
    )
    assert found.timeline == [
        Exchanges(at=-3, tried=1, failed=0),
        Exchanges(at=-2, tried=1, failed=0),
        Exchanges(at=2, tried=1, failed=0),
    ]
    assert (found.clients, found.tried, found.failed, found.slowest) == (2, 3, 0, 1.2)
    assert (found.lost, found.doubled) == ([], [])


def test_an_ask_that_had_to_be_repeated_failed() -> None:
    found = read(
        line(4.0, A, UNANSWERED, waited=2.0),
        line(6.0, A, UNANSWERED, waited=4.0),
        line(6.5, A, RENEWED, waited=4.5),
        line(7.5, A, RENEWED, waited=0.1),
    )
    assert found.timeline == [Exchanges(at=2, tried=1, failed=1), Exchanges(at=7, tried=1, failed=0)]
    assert (found.slowest, found.lost) == (4.5, [])


@pytest.mark.parametrize(
    ("lines", "failed"),
    [
        ([line(3, A, REFUSED), line(3, A, LOST)], 1),
        ([line(3, A, UNANSWERED, waited=2.0), line(9, A, LOST, waited=8.0)], 1),
        ([line(3, A, LOST), line(3, A, BOUND, OTHER)], 0),
    ],
    ids=["refused", "not renewed", "another address"],
)
def test_a_lost_lease_is_one_ask(lines: list[str], failed: int) -> None:
    found = read(*lines)
    assert found.lost == [f"{A} {FIRST}"]
    assert (found.tried, found.failed) == (1, failed)


def test_an_address_that_two_have() -> None:
    found = read(line(1, A, BOUND), line(2, B, BOUND), line(2, B, DOUBLED))
    assert (found.doubled, found.tried) == ([FIRST], 2)


def test_an_agent_that_says_something_else() -> None:
    with pytest.raises(EngineError, match=r"lb1: its agent is older than this program"):
        read("usage: maas-ha-agent apply")
