"""The connection budget: every region, its master process, the services of MAAS 3.5 and later, and a reserve."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import sizing
from config.stack_file import parse
from config.topology import DatabaseCluster, Topology
from tests.stacks import cluster_of


def topology(folder: Path, version: str, *workers: int) -> Topology:
    """The dev stack with `workers` in its regions, one region a number."""
    cluster = cluster_of("dev", folder / "known_hosts")
    hosts = cluster["hosts"]
    maas = cluster["maas"]
    assert isinstance(hosts, dict)
    assert isinstance(maas, dict)
    names = ["region1", "region2"][: len(workers)]
    used = {name: host for name, host in hosts.items() if not name.startswith("region") or name in names}
    regions = {name: {"workers": number} for name, number in zip(names, workers, strict=True)}
    parts = {"hosts": used, "regions": regions, "maas": {**maas, "version": version}}
    return parse({**cluster, **parts, "database": {"host": "db1", "version": 16}}, Path("/")).topology


@pytest.mark.parametrize(
    ("version", "workers", "needed", "limit"),
    [
        ("3.4", (2, 2), 80, 100),
        ("3.4", (2, 4), 100, 100),
        ("3.4", (3, 4), 110, 150),
        ("3.4", (4, 4), 120, 150),
        ("3.4", (10,), 130, 150),
        ("3.5", (4, 4), 228, 250),  # pools of 5 + 10 twice, and 4 × 6 of Temporal: 54 a region
        ("3.6", (4, 4), 220, 250),
        ("3.7", (4, 4), 220, 250),  # as in maas-facts §7
        ("3.7", (10, 10), 340, 350),
    ],
)
def test_budget(tmp_path: Path, version: str, workers: tuple[int, ...], needed: int, limit: int) -> None:
    found = topology(tmp_path, version, *workers)
    assert sizing.connections_needed(found) == needed
    assert sizing.max_connections(found) == limit


def test_what_superusers_keep_is_beside_what_maas_needs(tmp_path: Path) -> None:
    found = topology(tmp_path, "3.4", 2, 2)
    assert sizing.ordinary_need(found) == 60 + 17
    assert sizing.connections_needed(found) - sizing.SUPERUSERS == sizing.ordinary_need(found)


def test_a_cluster_keeps_its_own_connections_too(tmp_path: Path) -> None:
    alone = topology(tmp_path, "3.4", 2, 4)
    several = DatabaseCluster.model_validate({"cluster": ("db1", "lb1", "rack1"), "version": 15})
    cluster = alone.model_copy(update={"database": several})
    assert sizing.kept_for_superusers(cluster) == sizing.SUPERUSERS + sizing.PATRONI
    assert sizing.ordinary_need(cluster) == sizing.ordinary_need(alone)
    assert (sizing.max_connections(alone), sizing.max_connections(cluster)) == (100, 150)
