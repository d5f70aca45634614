"""The first deployment of the dev stack, on pristine hosts with the packages at hand."""

from __future__ import annotations

from bench.contestants import ANSIBLE, FLOOR, OURS, TUNED
from bench.goals import Goal
from bench.measure import Measured
from bench.play import alone, first


def goals(measured: Measured) -> list[Goal]:
    def against(who: str) -> str:
        return f"{measured[first(OURS)].median:.1f} s against {measured[first(who)].median:.1f} s"

    return [
        Goal(
            "first deployment of the dev stack, against the floor",
            measured.ratio(first(OURS), first(FLOOR)),
            "×",
            1.25,
            note=f"{against(FLOOR)}; the commands alone, without the wait for what the floor leaves unfinished: "
            f"{measured[alone(OURS)].median:.1f} s against {measured[alone(FLOOR)].median:.1f} s",
        ),
        Goal(
            "first deployment of the dev stack, times faster than tuned Ansible",
            measured.ratio(first(TUNED), first(OURS)),
            "×",
            2,
            at_least=True,
            note=f"{against(TUNED)}; Ansible as installed: {measured[first(ANSIBLE)].median:.1f} s",
        ),
        Goal(
            "bytes over SSH to a host in a first deployment",
            measured[f"sent to a host, {OURS}"].median,
            "kB",
            note=f"and {measured[f'received from a host, {OURS}'].median:.0f} kB back; to a host from tuned Ansible "
            f"{measured[f'sent to a host, {TUNED}'].median:.0f} kB, from the floor "
            f"{measured[f'sent to a host, {FLOOR}'].median:.0f} kB",
        ),
    ]
