"""What a drill's requests come to, and the limits that its figures are held to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from ops.drill_load import Request
from ops.drill_report import Dhcp, Exchanges, Limit, Minority, Power, RackSeen, Requests, Second

AFTER_SECONDS = 10.0
"""The time after a fault whose requests count for the share that may fail."""
SHARE = 0.01
BALANCER_SECONDS, POWER_SECONDS = 3.0, 15.0
DATABASE_SECONDS = {"kill": 15.0, "off": 15.0, "hang": 30.0, "cut": 30.0}
"""Until writes are acknowledged again, by the fault."""


class Timed(Protocol):
    """Something that was tried."""

    @property
    def begun(self) -> float:
        """Monotonic seconds."""

    @property
    def ended(self) -> float:
        """Monotonic seconds."""

    @property
    def failed(self) -> str:
        """Why; "" where it didn't."""


T = TypeVar("T", bound=Timed)


def of_requests(requests: Sequence[Request], fault: float) -> Requests:
    """Figures of the reads or the writes of one drill, whose fault was at `fault` (monotonic)."""
    failed = [request for request in requests if request.failed]
    return Requests(
        tried=len(requests),
        failed=len(failed),
        in_flight=sum(request.begun < fault < request.ended for request in failed),
        slowest=round(max((r.seconds for r in requests), default=0.0), 3),
        again_after=again_after(requests, fault),
    )


def again_after(tried: Sequence[Timed], fault: float) -> float | None:
    """As `Requests.again_after`."""
    last = max((each.begun for each in tried if each.failed and each.begun >= fault), default=None)
    if last is None:
        return 0.0
    first = min((each.begun for each in tried if each.begun > last), default=None)
    return None if first is None else round(first - fault, 3)


def reasons(tried: Sequence[Timed]) -> dict[str, int]:
    """Why they failed, and how many."""
    found: dict[str, int] = {}
    for each in tried:
        if each.failed:
            found[each.failed] = found.get(each.failed, 0) + 1
    return dict(sorted(found.items()))


def seconds(requests: Sequence[Request], fault: float) -> list[Second]:
    """The requests by the second in which they began."""
    return [
        Second(
            at=at,
            tried=len(begun),
            failed=sum(bool(request.failed) for request in begun),
            slowest=round(max(request.seconds for request in begun), 3),
            writes=sum(bool(request.tag) for request in begun),
            writes_failed=sum(bool(request.tag and request.failed) for request in begun),
        )
        for at, begun in _by_second(requests, fault)
    ]


def exchanges(tried: Sequence[Timed], fault: float) -> list[Exchanges]:
    """Questions by the second in which they began."""
    return [
        Exchanges(at=at, tried=len(begun), failed=sum(bool(each.failed) for each in begun))
        for at, begun in _by_second(tried, fault)
    ]


def _by_second(tried: Sequence[T], fault: float) -> list[tuple[int, list[T]]]:
    found: dict[int, list[T]] = {}
    for each in tried:
        found.setdefault(int((each.begun - fault) // 1), []).append(each)
    return sorted(found.items())


def lost(requests: Sequence[Request], found: Collection[str]) -> list[str]:
    """Tags of acknowledged writes that aren't among those `found` at the end."""
    return sorted({request.tag for request in requests if request.tag and not request.failed} - set(found))


def before(requests: Sequence[Request], fault: float) -> Limit:
    """None may have failed before the fault: a drill begins with what works."""
    early = [request for request in requests if request.failed and request.ended <= fault]
    told = f"{len(early)} requests failed before the fault: {early[0].failed}" if early else ""
    return _limit("requests failed before the fault", 0, len(early), told)


def share(requests: Sequence[Request], fault: float) -> Limit:
    """Few may fail that began after the fault."""
    tried = sum(fault <= request.begun < fault + AFTER_SECONDS for request in requests)
    failed = sum(bool(request.failed) and request.begun >= fault for request in requests)
    told = (
        f"{failed} requests failed that began after the fault; {SHARE:.0%} of the {tried} of the first"
        f" {AFTER_SECONDS:.0f} s may"
    )
    return _limit("requests failed that began after the fault", SHARE * tried, failed, told)


def again(what: str, most: float, measured: float | None) -> Limit:
    """`what` may be gone for so many seconds."""
    took = "never came back" if measured is None else f"came back after {measured:.1f} s"
    return _limit(f"seconds until {what} came back", most, measured, f"{what} {took}; {most:.0f} s is the limit")


def kept(acknowledged: int, gone: Collection[str]) -> Limit:
    """No acknowledged write may be lost."""
    told = f"{len(gone)} of {acknowledged} acknowledged writes are lost; none may be"
    return _limit("acknowledged writes lost", 0, len(gone), told)


def of_dhcp(dhcp: Dhcp) -> list[Limit]:
    """No lease may be lost, and none be given twice."""
    return [
        _limit("leases lost", 0, len(dhcp.lost), f"leases lost: {', '.join(dhcp.lost)}"),
        _limit("leases doubled", 0, len(dhcp.doubled), f"given to two clients: {', '.join(dhcp.doubled)}"),
    ]


def of_power(power: Power) -> Limit:
    """MAAS goes on to reach the machines' BMCs."""
    return again("power queries", POWER_SECONDS, power.again_after)


def of_minority(minority: Minority) -> Limit:
    """Who is cut off takes no write."""
    accepted = {host: count for host, count in minority.accepted.items() if count}
    told = ", ".join(f"{host}: {count} of {minority.tried[host]}" for host, count in accepted.items())
    return _limit(
        "writes accepted by the minority", 0, sum(accepted.values()), f"the cut-off side accepted writes ({told})"
    )


def of_racks(racks: Sequence[RackSeen]) -> Limit:
    """Every rack is back to all regions."""
    away = [
        f"{seen.rack} has {count} of {region}"
        for seen in racks
        for region, count in seen.regions.items()
        if len(set(count.split("/"))) > 1
    ]
    away += [f"{seen.rack} doesn't answer" for seen in racks if not seen.regions]
    told = f"racks aren't back to all regions: {', '.join(away)}"
    return _limit("connections of racks to regions that aren't back", 0, len(away), told)


def _limit(what: str, most: float, measured: float | None, told: str) -> Limit:
    holds = measured is not None and measured <= most
    return Limit(what=what, most=most, measured=measured, holds=holds, told="" if holds else told)


LIMITS: dict[str, Callable[[Sequence[Request], float, str], list[Limit]]] = {
    "region": lambda requests, fault, _: [share(requests, fault)],
    "rack": lambda requests, fault, _: [share(requests, fault)],
    "balancer": lambda requests, fault, _: [again("service", BALANCER_SECONDS, again_after(requests, fault))],
    "database": lambda requests, fault, kind: [_writes(requests, fault, DATABASE_SECONDS[kind])],
    "partition": lambda requests, fault, kind: [_writes(requests, fault, DATABASE_SECONDS[kind])],
}
"""Those of the load itself, by what failed: of its requests, the fault's instant, and the fault."""


def _writes(requests: Sequence[Request], fault: float, most: float) -> Limit:
    return again("writes", most, again_after([request for request in requests if request.tag], fault))
