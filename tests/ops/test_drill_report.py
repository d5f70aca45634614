"""A drill's figures and limits, from requests made up."""

from __future__ import annotations

import pytest

from ops.drill_load import Request, status_of
from ops.drill_report import Report, report

FAULT = 100.0


def steady(failing: range, *, seconds: float = 0.1) -> list[Request]:
    """25 requests a second from 5 s before the fault to 20 s after it; those of `failing`, by number, fail."""
    return [
        Request(
            begun=FAULT - 5 + number / 25,
            seconds=seconds,
            failed="answered 502" if number in failing else "",
            tag=f"t{number}" if number % 5 == 0 else "",
        )
        for number in range(625)
    ]


def of(role: str, requests: list[Request], lost: int = 0) -> Report:
    written = [request.tag for request in requests if request.tag and not request.failed]
    return report(("dev", role, "h", "kill"), requests, FAULT, {*written[lost:], "maas-ha-drill-of-another-1"})


@pytest.mark.parametrize("role", ["region", "balancer"])
def test_nothing_fails(role: str) -> None:
    made = of(role, steady(range(0)))
    assert (made.tried, made.failed, made.served_again_after, made.lost, made.passed) == (625, 0, 0.0, [], [])
    assert made.acknowledged == 125
    assert made.timeline[0].at == -5
    assert {second.tried for second in made.timeline} == {25}


@pytest.mark.parametrize(("failing", "holds"), [(range(130, 132), True), (range(130, 133), False)])
def test_a_region_costs_one_percent_of_ten_seconds(failing: range, holds: bool) -> None:
    made = of("region", steady(failing))
    assert made.failed == len(failing)
    assert made.passed == (
        [] if holds else ["3 requests failed that began after the fault; 1% of the 250 of the first 10 s may"]
    )


def test_requests_in_flight_at_the_fault_cost_nothing() -> None:
    made = of("region", steady(range(120, 125), seconds=0.3))
    assert (made.in_flight, made.passed) == (5, [])
    assert made.reasons == {"answered 502": 5}


@pytest.mark.parametrize(
    ("failing", "again", "passed"),
    [
        (range(125, 200), 3.0, []),
        (range(125, 201), 3.04, ["served again after 3.0 s; 3 s is the limit"]),
        (range(125, 625), None, ["no request got through any more; 3 s is the limit"]),
    ],
)
def test_a_balancer_may_take_three_seconds(failing: range, again: float | None, passed: list[str]) -> None:
    made = of("balancer", steady(failing))
    assert made.served_again_after == again
    assert made.passed == passed


@pytest.mark.parametrize("role", ["region", "balancer"])
def test_no_acknowledged_write_may_be_lost(role: str) -> None:
    made = of(role, steady(range(0)), lost=2)
    assert made.lost == ["t0", "t5"]
    assert made.passed == ["2 of 125 acknowledged writes are lost; none may be"]


def test_a_failure_before_the_fault_makes_a_drill_worthless() -> None:
    assert of("balancer", steady(range(10, 12))).passed == ["2 requests failed before the fault: answered 502"]


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]
)
def test_an_answer_that_is_cut_off_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"closed before an answer|cut off"):
        status_of(answer)


def test_an_answer() -> None:
    assert status_of(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}") == 502
