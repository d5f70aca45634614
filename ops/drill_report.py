"""What a drill's figures are, and the limits that they are held to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import BaseModel

from ops.drill_load import Request

AFTER_SECONDS = 10.0
"""The time after a region's fault whose requests count for its limit."""
REGION_SHARE = 0.01
BALANCER_SECONDS = 3.0


class Second(BaseModel):
    """The requests that began in one second."""

    at: int
    """Seconds from the fault; those before it are negative."""
    tried: int
    failed: int
    slowest: float


class Report(BaseModel):
    """One drill."""

    stack: str
    role: str
    """`region` or `balancer`."""
    host: str
    fault: str
    tried: int
    failed: int
    """All that failed, those in flight at the fault too."""
    in_flight: int
    """Of those, the ones that had begun before it."""
    reasons: dict[str, int]
    """Why they failed, and how many."""
    slowest: float
    """Seconds that the slowest one took which didn't fail."""
    served_again_after: float | None
    """Seconds from the fault to the first request after the last failed one; 0 if none failed that began after the
    fault, null if none got through any more."""
    acknowledged: int
    """Writes that MAAS answered 200."""
    lost: list[str]
    """Of those, the tags that aren't there any more."""
    timeline: list[Second]
    passed: list[str]
    """Limits that were passed; empty where all hold."""


def report(
    names: tuple[str, str, str, str], requests: Sequence[Request], fault: float, found: Collection[str]
) -> Report:
    """The figures of one drill: (stack, role, host, fault), its requests, its instant (monotonic), and all tags."""
    stack, role, host, kind = names
    failed = [request for request in requests if request.failed]
    after = [request for request in failed if request.begun >= fault]
    written = [request.tag for request in requests if request.tag and not request.failed]
    lost = sorted(set(written) - set(found))
    again = served_again_after(requests, fault)
    reasons = {reason: sum(r.failed == reason for r in failed) for reason in sorted({r.failed for r in failed})}
    return Report(
        stack=stack,
        role=role,
        host=host,
        fault=kind,
        tried=len(requests),
        failed=len(failed),
        in_flight=sum(request.begun < fault < request.ended for request in failed),
        reasons=reasons,
        slowest=round(max((r.seconds for r in requests if not r.failed), default=0.0), 3),
        served_again_after=again,
        acknowledged=len(written),
        lost=lost,
        timeline=_timeline(requests, fault),
        passed=[
            *_before(failed, fault),
            *(_region(requests, after, fault) if role == "region" else _balancer(again)),
            *([f"{len(lost)} of {len(written)} acknowledged writes are lost; none may be"] if lost else []),
        ],
    )


def served_again_after(requests: Sequence[Request], fault: float) -> float | None:
    """As `Report.served_again_after`."""
    last = max((r.begun for r in requests if r.failed and r.begun >= fault), default=None)
    if last is None:
        return 0.0
    first = min((r.begun for r in requests if r.begun > last), default=None)
    return None if first is None else round(first - fault, 3)


def _before(failed: Sequence[Request], fault: float) -> list[str]:
    early = [request for request in failed if request.ended <= fault]
    return [f"{len(early)} requests failed before the fault: {early[0].failed}"] if early else []


def _region(requests: Sequence[Request], after: Sequence[Request], fault: float) -> list[str]:
    tried = sum(fault <= request.begun < fault + AFTER_SECONDS for request in requests)
    if len(after) <= REGION_SHARE * tried:
        return []
    return [
        f"{len(after)} requests failed that began after the fault; {REGION_SHARE:.0%} of the {tried} of the first"
        f" {AFTER_SECONDS:.0f} s may"
    ]


def _balancer(again: float | None) -> list[str]:
    if again is not None and again <= BALANCER_SECONDS:
        return []
    took = "no request got through any more" if again is None else f"served again after {again:.1f} s"
    return [f"{took}; {BALANCER_SECONDS:.0f} s is the limit"]


def _timeline(requests: Sequence[Request], fault: float) -> list[Second]:
    seconds: dict[int, list[Request]] = {}
    for request in requests:
        seconds.setdefault(int((request.begun - fault) // 1), []).append(request)
    return [
        Second(
            at=at,
            tried=len(begun),
            failed=sum(bool(request.failed) for request in begun),
            slowest=round(max(request.seconds for request in begun), 3),
        )
        for at, begun in sorted(seconds.items())
    ]
