"""Environments differ in data only, and none of them drifts by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.stacks import cluster_of

PROJECT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
STACKS = sorted(path.name.split(".")[1] for path in PROJECT.glob("Pulumi.*.yaml"))


def program(stack: str, folder: Path, *, preview: bool) -> dict[str, Recorded]:
    return recorder.run(cluster_of(stack, folder / "known_hosts"), preview=preview, stack=stack)


def test_there_are_the_stacks_that_are_documented() -> None:
    assert STACKS == ["dev", "ha", "production", "staging"]


@pytest.mark.parametrize("stack", STACKS)
def test_names_types_and_order_are_as_they_were(stack: str, tmp_path: Path) -> None:
    """A changed name or type is a replacement on a running stack, a changed order a change of what waits for what.

    After a wanted change: `MAAS_HA_GOLDEN=write pytest tests/environments`.
    """
    registered = program(stack, tmp_path, preview=False)
    lines = []
    for item in registered.values():
        before = sorted(item.dependencies() & registered.keys())
        lines.append(f"{item.type} {item.name}" + (f" after {', '.join(before)}" if before else ""))
    snapshot = SNAPSHOTS / f"{stack}.txt"
    text = "\n".join(sorted(lines)) + "\n"
    if os.environ.get("MAAS_HA_GOLDEN") == "write":
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(text, encoding="utf-8")
    assert text == snapshot.read_text(encoding="utf-8")


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_registers_what_an_update_does(stack: str, tmp_path: Path) -> None:
    preview, update = (program(stack, tmp_path, preview=preview) for preview in (True, False))
    assert {(item.type, item.name) for item in preview.values()} == {(item.type, item.name) for item in update.values()}


def test_stacks_use_the_same_components(tmp_path: Path) -> None:
    """What production does is rehearsed before: staging has every kind of resource that production has."""
    kinds = {stack: {item.type for item in program(stack, tmp_path, preview=False).values()} for stack in STACKS}
    assert kinds["staging"] == kinds["production"] == kinds["dev"]
    assert kinds["dev"] - kinds["ha"] == {"maas:index:PostgresPrimary"}
