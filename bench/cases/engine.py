"""Hundreds of racks on an operator's machine: the engine and our program, and no host that could be slow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench import stacks
from bench.goals import Goal
from bench.measure import Contestant, Measured, interleaved
from bench.processes import shares
from bench.progress import say
from bench.stacks import PREVIEW, UP, Ours, Stack

SIZES = (50, 100, 200, 400)
STATES = ("empty", "full")
MANY = 200
OURS, KINDS, EMPTY = "ours", "as many components and commands", "as many empty resources"
RIVALS = (OURS, KINDS, EMPTY)


def name(what: str, who: str, racks: int) -> str:
    return f"{what}, {who}, {racks} racks"


def preview(state: str) -> str:
    return f"preview on {state} state"


def measure(repeats: int) -> Measured:
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="maas-ha-bench-") as folder:
        contestants: dict[str, Contestant] = {}
        for racks in SIZES:
            say(f"stacks of {racks} racks")
            _prepare(Path(folder) / str(racks), racks, measured, contestants)
        interleaved(contestants, repeats, measured)
    return measured


def _prepare(folder: Path, racks: int, measured: Measured, contestants: dict[str, Contestant]) -> None:
    """Deploy a cluster of `racks`, and as many resources with nothing in them, and add what is to be measured."""
    made = stacks.ours(folder / "ours", racks)
    _fill(made)
    count = made.resources
    every = count.total()
    rivals = {
        OURS: made,
        KINDS: stacks.kinds(folder / "kinds", count[False], count[True]),
        EMPTY: stacks.empties(folder / "empty", every),
    }
    for who in (KINDS, EMPTY):
        _fill(rivals[who])
    hosts = racks + stacks.REGIONS + 2
    measured.add(name("resources", OURS, racks), every, "")
    measured.add(name("state for a host", OURS, racks), made.state_bytes / hosts / 1000, "kB")
    measured.add(
        name("state for a host's share of resources", EMPTY, racks), rivals[EMPTY].state_bytes / hosts / 1000, "kB"
    )
    for state in STATES:
        for who, stack in rivals.items():
            what = name(preview(state), who, racks)
            contestants[what] = partial(_preview, what, stack, state)
    contestants[name("reading the state", OURS, racks)] = partial(_read, racks, made)


def _fill(stack: Stack) -> None:
    stack.save("empty")
    stack.pulumi(*UP, checkpoints=False)
    stack.save("full")


def _preview(what: str, stack: Stack, state: str, _: int) -> Mapping[str, tuple[float, str]]:
    stack.restore(state)
    found = stack.pulumi(*PREVIEW, look_at_memory=isinstance(stack, Ours))
    seen = {what: (found.seconds, "s")}
    if isinstance(stack, Ours):
        seen[f"memory of all processes, {what}"] = (found.memory.all / 1e6, "MB")
        for part, seconds in shares(found.memory.processor).items():
            seen[f"processor time of {part}, {what}"] = (seconds, "s")
        seen[f"memory of the biggest process, {what}"] = (found.memory.biggest / 1e6, "MB")
    return seen


def _read(racks: int, stack: Ours, _: int) -> Mapping[str, tuple[float, str]]:
    """What the file backend needs for the state alone: the whole of it exported, against none."""
    stack.restore("full")
    full = stack.pulumi("stack", "export", "--file", "exported.json").seconds
    stack.restore("empty")
    empty = stack.pulumi("stack", "export", "--file", "exported.json").seconds
    return {name("reading the state", OURS, racks): (full - empty, "s")}


def goals(measured: Measured) -> list[Goal]:
    few, most = SIZES[0], SIZES[-1]
    found = []
    for state in STATES:
        ours, others = (name(preview(state), who, MANY) for who in (OURS, EMPTY))
        found.append(
            Goal(
                f"preview of {MANY} racks on {state} state, against as many empty resources",
                measured.ratio(ours, others),
                "×",
                2,
                note=f"{measured[ours].median:.1f} s against {measured[others].median:.1f} s "
                f"for {measured[name('resources', OURS, MANY)].median:.0f} resources; as many components and commands "
                f"that depend on nothing: {measured[name(preview(state), KINDS, MANY)].median:.1f} s",
            )
        )
    for state in STATES:
        ours = preview(state)
        growth = measured.ratio(name(ours, OURS, most), name(ours, OURS, few))
        rivals = measured.ratio(name(ours, EMPTY, most), name(ours, EMPTY, few))
        found.append(
            Goal(
                f"growth of the preview on {state} state from {few} to {most} racks, against linear",
                growth / (most / few),
                "×",
                1.2,
                note=f"{growth:.1f} times as long for {most // few} times the racks; as many empty resources: "
                f"{rivals:.1f} times",
            )
        )
    whole = name(preview("full"), OURS, MANY)
    biggest = measured[f"memory of the biggest process, {whole}"].median
    memory = {
        racks: measured[f"memory of all processes, {name(preview('full'), OURS, racks)}"].median for racks in SIZES
    }
    found.append(
        Goal(
            f"memory of the operator's machine, preview of {MANY} racks on full state",
            measured[f"memory of all processes, {whole}"].median,
            "MB",
            note=f"all processes together; the biggest of them has {biggest:.0f} MB; "
            + ", ".join(f"{racks} racks: {size:.0f} MB" for racks, size in memory.items()),
        )
    )
    sizes = {racks: measured[name("state for a host", OURS, racks)].median for racks in SIZES}
    found.append(
        Goal(
            f"state for each host, {MANY} racks",
            sizes[MANY],
            "kB",
            note=", ".join(f"{racks} racks: {size:.1f} kB" for racks, size in sizes.items()),
        )
    )
    return found
