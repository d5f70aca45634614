"""`pulumi up` where everything is as it should be, and what a second run costs those whom MAAS serves."""

from __future__ import annotations

from bench.contestants import ANSIBLE, FLOOR, OURS, TUNED
from bench.goals import Goal
from bench.measure import Measured
from bench.play import EMPTY, PLUGINS, again


def goals(measured: Measured) -> list[Goal]:
    def against(who: str) -> str:
        return f"{measured[again(OURS)].median:.2f} s against {measured[again(who)].median:.2f} s"

    def cost(what: str) -> str:
        rivals = (ANSIBLE, TUNED, FLOOR)
        return ", ".join(f"{who} {max(measured[f'{what}, {who}'].values):.0f}" for who in rivals)

    failed, restarts = "requests that failed in a second run", "units that a second run restarted"
    asked = max(measured[f"requests in a second run, {OURS}"].values)
    return [
        Goal(
            "nothing to do, against an empty program",
            measured.ratio(again(OURS), again(EMPTY)),
            "×",
            1.5,
            note=against(EMPTY),
        ),
        Goal(
            "one resource of each plugin and nothing to do, against an empty program",
            measured.ratio(again(PLUGINS), again(EMPTY)),
            "×",
            note=f"{measured[again(PLUGINS)].median:.2f} s: what is the engine's and the bundled plugins' own",
        ),
        Goal(
            "nothing to do, times faster than tuned Ansible",
            measured.ratio(again(TUNED), again(OURS)),
            "×",
            8,
            at_least=True,
            note=f"{against(TUNED)}; Ansible as installed: {measured[again(ANSIBLE)].median:.1f} s",
        ),
        Goal(
            f"{failed}, the most of any repeat",
            max(measured[f"{failed}, {OURS}"].values),
            "",
            0,
            note=f"of {asked:.0f}; {cost(failed)}",
        ),
        Goal(
            f"{restarts}, the most of any repeat",
            max(measured[f"{restarts}, {OURS}"].values),
            "",
            0,
            note=cost(restarts),
        ),
    ]
