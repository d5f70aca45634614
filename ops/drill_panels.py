"""What is in the picture of a drill, drawn by nobody yet: rows of series over the seconds from the fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ops.drill_report import Dhcp, Drill, Exchanges, Limit, Mark, Power, Report, Requests

SHORTEST = 0.001
"""Seconds below which nothing was measured: the bottom of a logarithmic scale."""
UNTIL = "seconds until "
"""How a limit begins that is a time from the fault."""


class Look(Enum):
    """What a series stands for; failure differs from the rest by shape too, for those who tell no red from green."""

    READ = "read"
    WRITE = "write"
    FAILED = "failed"
    OTHER = "other"
    SLOW = "slow"


COLOURS = {
    Look.READ: "#56B4E9",
    Look.WRITE: "#0072B2",
    Look.FAILED: "#D55E00",
    Look.OTHER: "#009E73",
    Look.SLOW: "#555555",
}
"""Okabe and Ito's, which all eyes tell apart."""
FAULT, ALLOWED = "#222222", "#F0E442"
TICKS = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s"}
"""Of a scale of seconds."""


class Shape(Enum):
    """How a series is drawn."""

    BARS = "bars"
    STEPS = "steps"
    POINTS = "points"


class Scale(Enum):
    """Of a row's values."""

    COUNT = "count"
    SHARE = "share"
    """0 to 100 %."""
    SECONDS = "seconds"
    """Logarithmic."""


@dataclass(frozen=True)
class Series:
    """One value for each second in which there is one."""

    name: str
    look: Look
    shape: Shape
    at: tuple[int, ...]
    values: tuple[float, ...]
    """Below zero: downwards from the line."""


@dataclass(frozen=True)
class Row:
    """One of the strips, all with the same time. Bars on the same side of the line stand on one another."""

    label: str
    scale: Scale
    series: tuple[Series, ...]
    height: float = 1.0
    """As a share of the first one's."""


@dataclass(frozen=True)
class Panel:
    """One drill."""

    title: str
    """Stack, fault, hosts, verdict, and the two figures that matter most."""
    holds: bool
    figures: tuple[str, ...]
    limits: tuple[Limit, ...]
    marks: tuple[Mark, ...]
    """By time, the fault's among them."""
    rows: tuple[Row, ...]
    first: int
    last: int
    """The seconds from the first request to the end of the last one's."""

    @property
    def allowed(self) -> tuple[float, ...]:
        """Seconds from the fault by which something has to work again, each once."""
        return tuple(sorted({limit.most for limit in self.limits if limit.what.startswith(UNTIL)}))


def panels(report: Report) -> list[Panel]:
    """One for each drill, in the order in which they were made."""
    return [_panel(report, drill) for drill in report.drills]


def told(limit: Limit) -> str:
    """A limit and what was measured, without whether it holds."""
    return f"{limit.what}: {_number(limit.measured)}, at most {_number(limit.most)}"


def levels(panel: Panel, columns: int) -> list[int]:
    """For the label of each mark, how many lines up it stands so that none lies on another; `columns` fit beside."""
    ends: list[float] = []
    found = []
    for mark in panel.marks:
        level = next((number for number, end in enumerate(ends) if end <= mark.at), len(ends))
        ends[level:] = [mark.at + (panel.last - panel.first) * (len(label(mark)) + 2) / columns, *ends[level + 1 :]]
        found.append(level)
    return found


def label(mark: Mark) -> str:
    """What a mark is called, with its time but for the fault's."""
    return mark.text if round(mark.at, 1) == 0 else f"{mark.text} {mark.at:+.1f} s"


def _panel(report: Report, drill: Drill) -> Panel:
    seconds = [second.at for second in drill.timeline] or [0]
    marks = list(drill.marks)
    if not any(round(mark.at, 1) == 0 for mark in marks):
        marks.append(Mark(at=0.0, text=drill.fault))
    rows = [_requests(drill), _share(drill), _slowest(drill)]
    if drill.dhcp:
        rows.append(_exchanges("DHCP asks\na second", drill.dhcp.timeline))
    if drill.power:
        rows.append(_exchanges("power queries\na second", drill.power.timeline))
    return Panel(
        title=_title(report, drill),
        holds=not drill.exceeded,
        figures=tuple(_figures(drill)),
        limits=tuple(drill.limits),
        marks=tuple(sorted(marks, key=lambda mark: mark.at)),
        rows=tuple(rows),
        first=min(seconds),
        last=max(seconds) + 1,
    )


def _title(report: Report, drill: Drill) -> str:
    verdict = "LIMITS EXCEEDED" if drill.exceeded else "within limits"
    failed, tried = drill.reads.failed + drill.writes.failed, drill.reads.tried + drill.writes.tried
    felt = f"{failed} of {tried} requests failed, {len(drill.lost)} of {drill.acknowledged} acknowledged writes lost"
    return f"{report.stack}: {drill.kind} {drill.fault} on {', '.join(drill.hosts)}: {verdict}. {felt}"


def _requests(drill: Drill) -> Row:
    """Reads upwards, writes downwards."""
    line = drill.timeline
    at = tuple(second.at for second in line)

    def bars(name: str, look: Look, values: Sequence[int]) -> Series:
        return Series(name, look, Shape.BARS, at, tuple(values))

    failed_reads = [second.failed - second.writes_failed for second in line]
    return Row(
        "requests a second\nwrites ↓   reads ↑",
        Scale.COUNT,
        (
            bars(
                "reads",
                Look.READ,
                [one.tried - one.writes - bad for one, bad in zip(line, failed_reads, strict=True)],
            ),
            bars("failed reads", Look.FAILED, failed_reads),
            bars("writes", Look.WRITE, [one.writes_failed - one.writes for one in line]),
            bars("failed writes", Look.FAILED, [-one.writes_failed for one in line]),
        ),
    )


def _share(drill: Drill) -> Row:
    reads = [(s.at, s.failed - s.writes_failed, s.tried - s.writes) for s in drill.timeline]
    writes = [(second.at, second.writes_failed, second.writes) for second in drill.timeline]
    rows = (("reads that fail", Look.READ, reads), ("writes that fail", Look.WRITE, writes))
    return Row(
        "failing",
        Scale.SHARE,
        tuple(
            Series(
                name,
                look,
                Shape.STEPS,
                tuple(at for at, _, tried in counts if tried),
                tuple(100 * failed / tried for _, failed, tried in counts if tried),
            )
            for name, look, counts in rows
        ),
        0.5,
    )


def _slowest(drill: Drill) -> Row:
    """Seconds in which something failed are marked: there it may be a deadline, not an answer."""
    well = [second for second in drill.timeline if not second.failed]
    failing = [second for second in drill.timeline if second.failed]
    return Row(
        "slowest",
        Scale.SECONDS,
        tuple(
            Series(
                name,
                look,
                Shape.POINTS,
                tuple(second.at for second in seconds),
                tuple(max(second.slowest, SHORTEST) for second in seconds),
            )
            for name, look, seconds in (
                ("slowest of a second", Look.SLOW, well),
                ("slowest of a second with failures", Look.FAILED, failing),
            )
        ),
        0.8,
    )


def _exchanges(label: str, line: Sequence[Exchanges]) -> Row:
    what = label.split("\n", 1)[0]
    at = tuple(second.at for second in line)
    answered = Series(what, Look.OTHER, Shape.BARS, at, tuple(second.tried - second.failed for second in line))
    failed = Series(f"{what} without answer", Look.FAILED, Shape.BARS, at, tuple(second.failed for second in line))
    return Row(label, Scale.COUNT, (answered, failed), 0.5)


def _figures(drill: Drill) -> list[str]:
    told = [
        f"{drill.begun:%Y-%m-%d %H:%M:%S %Z}".strip(),
        _of("reads", drill.reads),
        _of("writes", drill.writes),
    ]
    told += [f"{count} × {reason}" for reason, count in drill.reasons.items()]
    if drill.dhcp:
        told.append(_of_dhcp(drill.dhcp))
    if drill.power:
        told.append(_of_power(drill.power))
    if drill.minority:
        hosts = drill.minority.tried.items()
        told += [f"cut off, {host}: {drill.minority.accepted.get(host, 0)} of {n} writes accepted" for host, n in hosts]
    told += [
        f"{one.rack}: {', '.join(f'{name} {loops}' for name, loops in one.regions.items())}" for one in drill.racks
    ]
    return told


def _of(name: str, found: Requests) -> str:
    in_flight = f", {found.in_flight} of them in flight" if found.in_flight else ""
    return (
        f"{name}: {found.tried}, {found.failed} failed{in_flight}; {_again(found.again_after)}; {_slow(found.slowest)}"
    )


def _of_dhcp(found: Dhcp) -> str:
    leases = f"leases lost: {len(found.lost)}, doubled: {len(found.doubled)}"
    asked = f"{found.tried} asks, {found.failed} without answer"
    return f"{found.clients} DHCP clients on {found.host}: {leases}; {asked}; {_slow(found.slowest)}"


def _of_power(found: Power) -> str:
    tried = f"{found.tried}, {found.failed} failed"
    return f"power queries of {found.machine}: {tried}; {_again(found.again_after)}; {_slow(found.slowest)}"


def _again(seconds: float | None) -> str:
    if seconds is None:
        return "never again"
    return f"again after {seconds:.1f} s" if seconds else "no gap"


def _slow(seconds: float) -> str:
    return f"slowest {seconds:.2f} s"


def _number(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"
