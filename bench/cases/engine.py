"""Hundreds of racks on an operator's machine: the engine and our program, and no host that could be slow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench import stacks
from bench.goals import Goal
from bench.measure import Measured, interleaved
from bench.stacks import PREVIEW, UP, Ours, Stack

SIZES = (50, 100, 200, 400)
STATES = ("empty", "full")
MANY = 200
OURS, EMPTY = "ours", "as many empty resources"


def name(what: str, who: str, racks: int) -> str:
    return f"{what}, {who}, {racks} racks"


def preview(state: str) -> str:
    return f"preview on {state} state"


def measure(repeats: int) -> Measured:
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="maas-ha-bench-") as folder:
        contestants = {}
        for racks in SIZES:
            made = stacks.ours(Path(folder) / f"ours{racks}", racks)
            made.save("empty")
            made.pulumi(*UP, checkpoints=False)
            made.save("full")
            others = stacks.empties(Path(folder) / f"empties{racks}", made.resources)
            others.save("empty")
            others.pulumi(*UP, checkpoints=False)
            others.save("full")
            hosts = racks + stacks.REGIONS + 2
            measured.add(name("resources", OURS, racks), made.resources, "")
            measured.add(name("state a host", OURS, racks), made.state_bytes / hosts / 1000, "kB")
            measured.add(name("state a resource", EMPTY, racks), others.state_bytes / made.resources / 1000, "kB")
            for state in STATES:
                for who, stack in ((OURS, made), (EMPTY, others)):
                    what = name(preview(state), who, racks)
                    contestants[what] = partial(_preview, what, stack, state)
            contestants[name("reading the state", OURS, racks)] = partial(_read, racks, made)
        interleaved(contestants, repeats, measured)
    return measured


def _preview(what: str, stack: Stack, state: str, _: int) -> Mapping[str, tuple[float, str]]:
    stack.restore(state)
    found = stack.pulumi(*PREVIEW, look_at_memory=isinstance(stack, Ours))
    seen = {what: (found.seconds, "s")}
    if isinstance(stack, Ours):
        seen[f"memory of all processes, {what}"] = (found.memory.all / 1e6, "MB")
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
                f"for {measured[name('resources', OURS, MANY)].median:.0f} resources",
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
    found.append(
        Goal(
            f"memory of the operator's machine, preview of {MANY} racks on full state",
            measured[f"memory of all processes, {whole}"].median,
            "MB",
            note=f"all processes together; the biggest of them has {biggest:.0f} MB",
        )
    )
    sizes = {racks: measured[name("state a host", OURS, racks)].median for racks in SIZES}
    found.append(
        Goal(
            f"state for each host, {MANY} racks",
            sizes[MANY],
            "kB",
            note=", ".join(f"{racks} racks: {size:.1f} kB" for racks, size in sizes.items()),
        )
    )
    return found
