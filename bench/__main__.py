"""`python -m bench`: measure, write bench/results.json, and what docs/performance.md shows of it."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, cast

import typer

from bench import play, report, results
from bench.goals import Goal
from bench.measure import Measured
from bench.processes import CommandError
from bench.progress import say
from lab.errors import LabError

CASES = report.ORDER
"""Modules of bench.cases."""


def bench(
    repeats: Annotated[int, typer.Option(min=1, help="How often each contestant runs.")] = 5,
    case: Annotated[
        list[str] | None, typer.Option(help=f"Only this case, of {', '.join(CASES)}; may be given again.")
    ] = None,
    render: Annotated[bool, typer.Option("--render", help="Measure nothing: only the report anew.")] = False,
) -> None:
    """Measure every case, or some, and write down what was found; the findings of the others stay."""
    wanted = case or ([] if render else list(CASES))
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: the cases are {', '.join(CASES)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an operator's Python keeps what it compiled
    # A shell's background has SIGINT ignored, and then the engine waits 5 s until it kills what it has started.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failed = False
    results.revision(), results.machine()  # as they are now, not when the work is done
    try:
        for name, done, measured in _measured(wanted, repeats):
            goals = goals_of(name, measured)
            results.merge(name, measured, goals, done)
            for goal in goals:
                say(f"{name}: {goal.goal}: {goal.found:.3g} {goal.unit}, {report.verdict(goal.holds)}")
    except (CommandError, LabError, AssertionError) as error:
        say(f"not measured: {error}")
        failed = True
    if render:
        for name, found in results.load().items():
            results.judge(name, goals_of(name, results.measured_in(found)))
    report.write(results.load())
    sys.exit(failed)


def goals_of(case: str, measured: Measured) -> list[Goal]:
    """What the measurements of a case say of its goals."""
    return cast("list[Goal]", importlib.import_module(f"bench.cases.{case}").goals(measured))


def _measured(wanted: Sequence[str], repeats: int) -> Iterator[tuple[str, int, Measured]]:
    """Case, repeats done and what was measured; those on the lab's hosts are played together, on the same deployments,
    and told after each repeat, so that a host that fails at last costs no more than that repeat."""
    if on_lab := [name for name in wanted if name in play.WHO]:
        for done, so_far in play.play(on_lab, repeats):
            yield from ((name, done, measured) for name, measured in so_far.items())
    for name in wanted:
        if name not in play.WHO:
            yield name, repeats, importlib.import_module(f"bench.cases.{name}").measure(repeats)


if __name__ == "__main__":
    typer.run(bench)
