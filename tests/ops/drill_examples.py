"""A report of drills that nobody made, plausible enough to look at."""

from __future__ import annotations

from datetime import UTC, datetime

from ops.drill_report import (
    Dhcp,
    Drill,
    Exchanges,
    Limit,
    Mark,
    Minority,
    Power,
    RackSeen,
    Report,
    Requests,
    Second,
    Skipped,
)

BEGUN = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
SECONDS = range(-5, 25)


def region() -> Drill:
    """A region killed: two requests in flight fail."""
    line = [Second(at=at, tried=25, failed=0, slowest=0.04, writes=5, writes_failed=0) for at in SECONDS]
    line[5] = Second(at=0, tried=25, failed=2, slowest=0.21, writes=5, writes_failed=1)
    return Drill(
        kind="region",
        fault="kill",
        hosts=["region1"],
        begun=BEGUN,
        reads=Requests(tried=600, failed=1, in_flight=1, slowest=0.04, again_after=0.0),
        writes=Requests(tried=150, failed=1, in_flight=1, slowest=0.08, again_after=0.0),
        reasons={"answered 502": 2},
        acknowledged=149,
        lost=[],
        marks=[
            Mark(at=0.0, text="kill of regiond"),
            Mark(at=0.4, text="lb1 takes it out"),
            Mark(at=16.2, text="undone"),
            Mark(at=18.9, text="every rack is back"),
        ],
        timeline=line,
        racks=[RackSeen(rack="rack1", regions={"region1": "4/4", "region2": "4/4"})],
        limits=[
            Limit(what="failed requests, in flight left out", most=2, measured=0, holds=True, told=""),
            Limit(what="acknowledged writes lost", most=0, measured=0, holds=True, told=""),
        ],
    )


def database() -> Drill:
    """A leader that hangs: writes fail for 19 s of the allowed 15."""
    line = []
    for at in SECONDS:
        dead, slow = 0 <= at < 19, at == 19
        reads, writes = (4 if dead else 0), (5 if dead else 0)
        line.append(
            Second(
                at=at,
                tried=25,
                failed=reads + writes,
                slowest=10.0 if dead else 2.4 if slow else 0.05,
                writes=5,
                writes_failed=writes,
            )
        )
    asks = [Exchanges(at=at, tried=4, failed=1 if 3 <= at < 6 else 0) for at in SECONDS]
    queries = [Exchanges(at=at, tried=1, failed=int(2 <= at < 19)) for at in SECONDS if at % 2 == 0]
    return Drill(
        kind="database",
        fault="hang",
        hosts=["db1"],
        begun=BEGUN,
        reads=Requests(tried=600, failed=76, in_flight=0, slowest=2.4, again_after=18.9),
        writes=Requests(tried=150, failed=95, in_flight=1, slowest=1.9, again_after=19.2),
        reasons={"no answer within 10 s": 100, "answered 503": 71},
        acknowledged=55,
        lost=["maas-ha-drill-0badcafe-4"],
        marks=[
            Mark(at=0.0, text="hang of PostgreSQL"),
            Mark(at=17.8, text="db2 leads"),
            Mark(at=18.3, text="writes again"),
            Mark(at=21.0, text="undone"),
        ],
        timeline=line,
        dhcp=Dhcp(
            host="lb1",
            clients=20,
            tried=120,
            failed=3,
            slowest=4.1,
            lost=["02:00:00:00:00:01 198.51.100.100"],
            doubled=[],
            timeline=asks,
        ),
        power=Power(machine="m1", tried=15, failed=8, slowest=0.4, again_after=20.0, reasons={}, timeline=queries),
        minority=Minority(tried={"db1": 40}, accepted={"db1": 0}),
        limits=[
            Limit(
                what="seconds until writes are acknowledged again",
                most=15,
                measured=19.2,
                holds=False,
                told="writes took 19.2 s; 15 s is the limit",
            ),
            Limit(what="acknowledged writes lost", most=0, measured=1, holds=False, told="1 of 55 is lost"),
            Limit(what="leases lost", most=0, measured=1, holds=False, told="1 lease is lost"),
        ],
    )


def of(*drills: Drill) -> Report:
    """A run of these."""
    skipped = [Skipped(kind="partition", why="stack dev has one database")]
    return Report(stack="dev", url="http://198.51.100.40/MAAS", drills=list(drills), skipped=skipped)
