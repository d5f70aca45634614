"""`python -m bench`: measure, write bench/results.json, and what docs/performance.md shows of it."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from bench import report, results
from bench.processes import CommandError
from bench.progress import say

CASES = ("deploy", "nothing", "workers", "bundle", "engine", "rack", "check")
"""Modules of bench.cases, in the order of the report."""


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
    for name in wanted:
        say(f"{name}: begins")
        try:
            measured, goals = importlib.import_module(f"bench.cases.{name}").measure(repeats)
        except CommandError as error:
            say(f"{name}: {error}")
            sys.exit(1)
        results.merge(name, measured, goals, repeats)
        for goal in goals:
            say(f"{name}: {goal.goal}: {goal.found:.3g} {goal.unit}, {report.verdict(goal.holds)}")
    report.write(results.load())


if __name__ == "__main__":
    typer.run(bench)
