"""What a stack costs the engine and the network, in counts that no machine changes."""

from __future__ import annotations

from pathlib import Path

from policy.predicates import COMMAND
from tests.contract import recorder, topologies
from tests.contract.recorder import Recorded, plain
from tests.costs import check
from tests.stacks import cluster_of

FEW, MANY = 50, 100


def costs(program: dict[str, Recorded]) -> dict[str, int]:
    """Resources, and connections (one a command) with the bytes that they carry."""
    commands = [item for item in program.values() if item.type == COMMAND]
    sent = [len(str(plain(item.inputs["stdin"]))) for item in commands]
    edges = sum(len(item.dependencies()) for item in program.values())
    return {"resources": len(program), "connections": len(commands), "bytes sent": sum(sent), "dependencies": edges}


def test_the_dev_stack(tmp_path: Path) -> None:
    program = recorder.run(cluster_of("dev", tmp_path / "known_hosts"), preview=False)
    check("dev stack, first deployment", costs(program))


def test_a_rack_more_costs_the_same_in_any_cluster(tmp_path: Path) -> None:
    """50 racks more than 50: everything grows by the rack, so that 400 cost no more than eight times 50."""
    few = costs(recorder.run(topologies.cluster(tmp_path, regions=3, racks=FEW), preview=False))
    many = costs(recorder.run(topologies.cluster(tmp_path, regions=3, racks=MANY), preview=False))
    check("a rack more", {name: round((many[name] - few[name]) / (MANY - FEW)) for name in few})
    assert all(many[name] <= few[name] * MANY / FEW for name in few)
