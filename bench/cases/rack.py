"""One rack more in a cluster of ten and in one of fifty; the hosts answer at once, so that what remains is ours."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench import stacks
from bench.goals import Goal
from bench.measure import Measured, interleaved, median
from bench.stacks import UP, Ours

FEW, MANY = 10, 50
EACH_STEP, ONE = "a checkpoint after each step", "one checkpoint"


def name(what: str, racks: int, checkpoints: str) -> str:
    return f"{what}, {racks} racks, {checkpoints}"


def beyond(measured: Measured, racks: int, checkpoints: str) -> list[float]:
    """What a rack more takes beyond an update with nothing to do, repeat by repeat."""
    adding = measured[name("a rack more", racks, checkpoints)].values
    nothing = measured[name("nothing to do", racks, checkpoints)].values
    return [more - less for more, less in zip(adding, nothing, strict=True)]


def measure(repeats: int) -> Measured:
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="maas-ha-bench-") as folder:
        contestants = {}
        for racks in (FEW, MANY):
            made = stacks.ours(Path(folder) / f"racks{racks}", racks)
            made.pulumi(*UP, checkpoints=False)
            made.save("full")
            for checkpoints in (EACH_STEP, ONE):
                for what, count in (("a rack more", racks + 1), ("nothing to do", racks)):
                    called = name(what, racks, checkpoints)
                    contestants[called] = partial(_up, called, made, count, checkpoints == EACH_STEP)
        interleaved(contestants, repeats, measured)
    return measured


def _up(called: str, stack: Ours, racks: int, each_step: bool, _: int) -> Mapping[str, tuple[float, str]]:
    stack.restore("full")
    stack.racks(racks)
    return {called: (stack.pulumi(*UP, checkpoints=each_step).seconds, "s")}


def goals(measured: Measured) -> list[Goal]:
    few, many = (beyond(measured, racks, EACH_STEP) for racks in (FEW, MANY))
    idle = {racks: measured[name("nothing to do", racks, EACH_STEP)].median for racks in (FEW, MANY)}
    return [
        Goal(
            f"a rack more in {MANY} against a rack more in {FEW}, beyond nothing to do",
            median(many) / median(few),
            "×",
            1.2,
            note=f"{median(many):.2f} s against {median(few):.2f} s beyond {idle[MANY]:.1f} s and {idle[FEW]:.1f} s",
        ),
        # Too little time for a ratio: a difference of two updates that are nearly all of both.
        Goal(
            f"a rack more in {MANY}, beyond nothing to do, {ONE} instead of one after each step",
            median(beyond(measured, MANY, ONE)),
            "s",
            note=f"in {FEW}: {median(beyond(measured, FEW, ONE)):.2f} s",
        ),
    ]
