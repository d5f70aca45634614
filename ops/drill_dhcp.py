"""What the DHCP clients of a host told, as a drill's report has it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError

from ops.drill_report import Dhcp, Exchanges
from ops.engine import EngineError

ANSWERED, REFUSED, LATE, LOST, DOUBLED = ("bound", "renewed"), "nak", "timed out", "lost", "doubled"
"""Events as `maas-ha-agent dhcp-clients` names them."""


class Line(BaseModel):
    """One event; the last line, the summary, has no client."""

    time: float
    """Unix time, by the clock of the host with the clients."""
    event: str
    mac: str = ""
    address: str = ""
    waited: float = 0.0


@dataclass
class _Asks:
    """Per second from the fault, those that began in it: (tried, failed)."""

    fault: float
    late: set[str] = field(default_factory=set)
    """MACs of clients whose ask had to be repeated."""
    seconds: dict[int, tuple[int, int]] = field(default_factory=dict)

    def end(self, line: Line, *, failed: bool) -> None:
        at = math.floor(line.time - line.waited - self.fault)
        tried, before = self.seconds.get(at, (0, 0))
        self.seconds[at] = (tried + 1, before + (failed or line.mac in self.late))
        self.late.discard(line.mac)


def read(host: str, count: int, lines: Iterable[str], fault: float) -> Dhcp:
    """The figures of `count` clients on `host`; `fault` is in Unix time by that host's clock.

    An ask that had to be repeated counts as failed, though the repetition may have been answered. Raises `EngineError`
    for what an agent of another version says.
    """
    asks, slowest = _Asks(fault), 0.0
    lost: list[str] = []
    doubled: list[str] = []
    for text in lines:
        line = _line(host, text)
        if line.event in ANSWERED:
            asks.end(line, failed=False)
            slowest = max(slowest, line.waited)
        elif line.event == REFUSED:
            asks.end(line, failed=True)
        elif line.event == LATE:
            asks.late.add(line.mac)
        elif line.event == LOST:
            lost.append(f"{line.mac} {line.address}")
            if line.mac in asks.late:
                asks.end(line, failed=True)
        elif line.event == DOUBLED:
            doubled.append(line.address)
    timeline = [Exchanges(at=at, tried=tried, failed=failed) for at, (tried, failed) in sorted(asks.seconds.items())]
    return Dhcp(
        host=host,
        clients=count,
        tried=sum(second.tried for second in timeline),
        failed=sum(second.failed for second in timeline),
        slowest=slowest,
        lost=lost,
        doubled=doubled,
        timeline=timeline,
    )


def _line(host: str, text: str) -> Line:
    try:
        return Line.model_validate_json(text)
    except ValidationError:
        raise EngineError(f"{host}: its agent is older than this program: run `pulumi up` first") from None
