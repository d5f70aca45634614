"""200 racks with the real engine, on an empty and on a full state."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from tests.contract import topologies
from tests.fake_hosts.stack import FakeStack


def changed(preview: dict[str, object]) -> dict[str, str]:
    """Name → operation, of every resource that doesn't stay as it is."""
    steps = cast("list[dict[str, str]]", preview["steps"])
    return {step["urn"].rsplit("::", 1)[1]: step["op"] for step in steps if step["op"] != "same"}


def test_200_racks_and_the_201st(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path)
    stack.write(topologies.cluster(tmp_path, regions=3, racks=200, pairs=90))
    empty = cast("dict[str, int]", stack.preview()["changeSummary"])
    assert empty.keys() == {"create"}
    assert stack.up() == empty
    assert (tmp_path / "home" / "logs").is_file()  # else the engine logs all of it, for half of its time
    stack.write(topologies.cluster(tmp_path, regions=3, racks=201, pairs=90))
    full = stack.preview()
    assert cast("dict[str, int]", full["changeSummary"]) == {"same": empty["create"], "create": 5}
    assert changed(full) == dict.fromkeys(
        ("rack201", "rack201-bootstrap", "rack201-upgrade", "rack201-rack", "rack201-rack-apply"), "create"
    )
