"""Clusters of up to 300 hosts: each is built or refused by a rule; a host more touches that host."""

from __future__ import annotations

import random
from pathlib import Path

import pulumi
import pytest

from config import stack_file
from config.finding import StackFileError
from policy.predicates import COMMAND
from tests.contract import recorder, topologies
from tests.contract.recorder import Recorded

SEED = 20261124
CHECKED, BUILT = 400, 12
"""Random clusters that are checked, and those of them that are built: one of 300 hosts takes some seconds."""


def commands(program: dict[str, Recorded]) -> dict[str, object]:
    return {name: item.inputs for name, item in program.items() if item.type == COMMAND}


def random_cluster(chance: random.Random, folder: Path) -> topologies.Cluster:
    regions = chance.randint(1, 8)
    racks = chance.choice([1, 2, chance.randint(2, 20), chance.randint(20, 298 - regions)])
    return topologies.cluster(
        folder,
        regions=regions,
        racks=racks,
        pairs=chance.randint(0, racks // 2),
        workers=chance.randint(1, 10),
        version=chance.choice(["3.4", "3.5", "3.6", "3.7"]),
    )


def is_refused(cluster: topologies.Cluster, folder: Path) -> bool:
    try:
        stack_file.parse(cluster, folder)
    except StackFileError:
        return True
    return False


def test_a_random_cluster_is_accepted_or_refused_by_a_rule(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same on every run
    refused = 0
    for _ in range(CHECKED):
        cluster = random_cluster(chance, tmp_path)
        broken = chance.random() < 0.5
        if broken:
            cluster = topologies.spoilt(cluster, chance)
        refused += broken
        assert is_refused(cluster, tmp_path) == broken, cluster
    assert CHECKED / 3 < refused < CHECKED * 2 / 3


@pytest.mark.parametrize("number", range(BUILT))
def test_an_accepted_cluster_is_built(number: int, tmp_path: Path) -> None:
    cluster = random_cluster(random.Random(SEED + number), tmp_path)  # noqa: S311 - the same on every run
    topology = stack_file.parse(cluster, tmp_path).topology
    program = recorder.run(cluster, preview=bool(number % 2))
    kinds = [item.type.rpartition(":")[2] for item in program.values()]
    assert kinds.count("Host") == len(topology.hosts)
    assert kinds.count("RegionController") == len(topology.regions)
    assert kinds.count("RackController") == len(topology.racks)
    assert kinds.count("DhcpFailoverPair") == len(topology.dhcp)


def test_a_refused_cluster_registers_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same on every run
    cluster = topologies.spoilt(topologies.cluster(tmp_path, regions=2, racks=3), chance)
    with pytest.raises(pulumi.RunError, match="the stack file has"):
        recorder.run(cluster, preview=False)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_the_201st_rack_touches_only_its_host(preview: bool, tmp_path: Path) -> None:
    before = commands(recorder.run(topologies.cluster(tmp_path, regions=3, racks=200, pairs=90), preview=preview))
    after = commands(recorder.run(topologies.cluster(tmp_path, regions=3, racks=201, pairs=90), preview=preview))
    assert {name for name, inputs in after.items() if before.get(name) != inputs} == {
        "rack201-bootstrap",
        "rack201-upgrade",
        "rack201-rack-apply",
    }
    assert before.keys() < after.keys()
