"""Another number of workers for one region of a running cluster."""

from __future__ import annotations

from bench.contestants import FLOOR, OURS, TUNED
from bench.goals import Goal
from bench.measure import Measured
from bench.play import workers


def goals(measured: Measured) -> list[Goal]:
    def most(what: str) -> float:
        return max(measured[f"{what}, {OURS}"].values)

    failed = "requests that failed while the workers changed"
    return [
        Goal(
            "workers of one region, until they serve, against the floor's restart",
            measured.ratio(workers(OURS), workers(FLOOR)),
            "×",
            1.5,
            note=f"{measured[workers(OURS)].median:.1f} s against {measured[workers(FLOOR)].median:.1f} s; "
            f"tuned Ansible: {measured[workers(TUNED)].median:.1f} s; requests that failed: {most(failed):.0f}, "
            f"floor: {max(measured[f'{failed}, {FLOOR}'].values):.0f}",
        ),
        Goal("SSH logins to other hosts while the workers changed", most("SSH logins to other hosts"), "", 0),
        Goal("units restarted on other hosts", most("units restarted on other hosts"), "", 0),
        Goal(
            "SSH logins to that region",
            most("SSH logins to the region"),
            "",
            1,
            note=f"tuned Ansible: {measured[f'SSH logins to the region, {TUNED}'].median:.0f}",
        ),
    ]
