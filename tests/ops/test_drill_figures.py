"""A drill's figures and limits, from requests made up."""

from __future__ import annotations

import pytest

from ops import drill_figures as figures
from ops.drill import is_calm
from ops.drill_load import Request, status_of
from ops.drill_report import Dhcp, Limit, Minority, RackSeen

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


def told(limits: list[Limit]) -> list[str]:
    return [limit.told for limit in limits if not limit.holds]


def test_nothing_fails() -> None:
    requests = steady(range(0))
    made = figures.of_requests(requests, FAULT)
    assert (made.tried, made.failed, made.in_flight, made.again_after) == (625, 0, 0, 0.0)
    timeline = figures.seconds(requests, FAULT)
    assert timeline[0].at == -5
    assert {second.tried for second in timeline} == {25}
    assert {second.writes for second in timeline} == {5}
    assert figures.before(requests, FAULT).holds


@pytest.mark.parametrize("kind", ["region", "rack"])
@pytest.mark.parametrize(("failing", "holds"), [(range(130, 132), True), (range(130, 133), False)])
def test_one_percent_of_ten_seconds_may_fail(kind: str, failing: range, holds: bool) -> None:
    assert told(figures.LIMITS[kind](steady(failing), FAULT, "kill")) == (
        [] if holds else ["3 requests failed that began after the fault; 1% of the 250 of the first 10 s may"]
    )


def test_requests_in_flight_at_the_fault_cost_nothing() -> None:
    requests = steady(range(120, 125), seconds=0.3)
    assert figures.of_requests(requests, FAULT).in_flight == 5
    assert told(figures.LIMITS["region"](requests, FAULT, "kill")) == []
    assert figures.reasons(requests) == {"answered 502": 5}


@pytest.mark.parametrize(
    ("failing", "again", "passed"),
    [
        (range(125, 200), 3.0, []),
        (range(125, 201), 3.04, ["service came back after 3.0 s; 3 s is the limit"]),
        (range(125, 625), None, ["service never came back; 3 s is the limit"]),
    ],
)
def test_a_balancer_may_take_three_seconds(failing: range, again: float | None, passed: list[str]) -> None:
    requests = steady(failing)
    assert figures.again_after(requests, FAULT) == again
    assert told(figures.LIMITS["balancer"](requests, FAULT, "kill")) == passed


@pytest.mark.parametrize(("fault", "holds"), [("off", False), ("kill", False), ("hang", True), ("cut", True)])
def test_writes_come_back_with_another_leader(fault: str, holds: bool) -> None:
    """16 s are too long where it died, and not where it hangs or is cut off."""
    limits = figures.LIMITS["database"](steady(range(125, 125 + 16 * 25)), FAULT, fault)
    assert told(limits) == ([] if holds else ["writes came back after 16.0 s; 15 s is the limit"])


def test_no_acknowledged_write_may_be_lost() -> None:
    requests = steady(range(0))
    lost = figures.lost(requests, {"maas-ha-drill-of-another", *(f"t{n}" for n in range(10, 625))})
    assert lost == ["t0", "t5"]
    assert figures.kept(125, lost).told == "2 of 125 acknowledged writes are lost; none may be"


def test_a_failure_before_the_fault_makes_a_drill_worthless() -> None:
    assert figures.before(steady(range(10, 12)), FAULT).told == "2 requests failed before the fault: answered 502"


def test_leases_are_neither_lost_nor_doubled() -> None:
    dhcp = Dhcp(host="lb1", clients=2, tried=9, failed=1, slowest=2, lost=[], doubled=[], timeline=[])
    assert told(figures.of_dhcp(dhcp)) == []
    bad = dhcp.model_copy(update={"lost": ["02:00 198.51.100.9"], "doubled": ["198.51.100.7"]})
    assert told(figures.of_dhcp(bad)) == ["leases lost: 02:00 198.51.100.9", "given to two clients: 198.51.100.7"]


def test_a_minority_accepts_nothing() -> None:
    tried = {"db1 (patroni)": 9, "region1 (region)": 8}
    assert figures.of_minority(Minority(tried=tried, accepted=dict.fromkeys(tried, 0))).holds
    found = figures.of_minority(Minority(tried=tried, accepted={"db1 (patroni)": 2, "region1 (region)": 0}))
    assert found.told == "the cut-off side accepted writes (db1 (patroni): 2 of 9)"


def test_every_rack_is_back() -> None:
    assert figures.of_racks([RackSeen(rack="rack1", regions={"region1": "4/4"})]).holds
    found = figures.of_racks(
        [RackSeen(rack="rack1", regions={"region1": "1/4", "region2": "4/4"}), RackSeen(rack="rack2", regions={})]
    )
    assert found.told == "racks aren't back to all regions: rack1 has 1/4 of region1, rack2 doesn't answer"


@pytest.mark.parametrize(
    ("failing", "now", "calm"),
    [
        (range(0), 110.0, True),
        (range(125, 225), 107.0, False),
        (range(125, 225), 113.5, True),
        (range(0), 200.0, False),
    ],
)
def test_a_fault_is_undone_once_all_is_calm(failing: range, now: float, calm: bool) -> None:
    """Not while something fails, nor while nothing is answered at all."""
    requests = [request for request in steady(failing) if request.ended <= now]
    assert is_calm(requests, now) is calm


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]
)
def test_an_answer_that_is_cut_off_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"closed before an answer|cut off"):
        status_of(answer)


def test_an_answer() -> None:
    assert status_of(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}") == 502
