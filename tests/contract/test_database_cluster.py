"""A database cluster's transactions: who waits for whom, and who the database begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.bundle import HostSettings
from agent.cluster_settings import EtcdSettings, PatroniSettings
from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.contract.test_program import bundle_of
from tests.stacks import cluster_of

CLUSTER = {"cluster": ["db1", "rack2", "lb1"], "version": 15}
ADDRESSES = ("198.51.100.11", "198.51.100.32", "198.51.100.41")


@pytest.fixture
def program(tmp_path: Path) -> dict[str, Recorded]:
    return recorder.run(cluster_of("dev", tmp_path / "known_hosts") | {"database": CLUSTER}, preview=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("region1-bootstrap", "postgres-cluster-db1-etcd-apply"),
        ("region2-bootstrap", "postgres-cluster-lb1-etcd-apply"),
        ("postgres-cluster-lb1-etcd-apply", "postgres-cluster-db1-patroni-apply"),
        ("postgres-cluster-db1-patroni-apply", "postgres-cluster-rack2-patroni-apply"),
        ("postgres-cluster-db1-patroni-apply", "postgres-cluster-lb1-patroni-apply"),
        ("postgres-cluster-rack2-patroni-apply", "postgres-cluster-apply"),
        ("postgres-cluster-apply", "region1-region-apply"),
    ],
)
def test_order(program: dict[str, Recorded], before: str, after: str) -> None:
    assert before in program[after].dependencies()


def test_the_copies_are_made_side_by_side(program: dict[str, Recorded]) -> None:
    assert "postgres-cluster-rack2-patroni-apply" not in program["postgres-cluster-lb1-patroni-apply"].dependencies()


def test_all_know_whom_the_database_begins_with(program: dict[str, Recorded]) -> None:
    for host in ("db1", "rack2", "lb1"):
        etcd = bundle_of(program[f"postgres-cluster-{host}-etcd-apply"]).settings
        patroni = bundle_of(program[f"postgres-cluster-{host}-patroni-apply"]).settings
        assert isinstance(etcd, EtcdSettings)
        assert isinstance(patroni, PatroniSettings)
        assert (etcd.founder, patroni.founder) == ("db1", "db1")


def test_regions_know_where_their_rows_are(program: dict[str, Recorded]) -> None:
    known = {}
    for host in ("region1", "region2", "rack1"):
        settings = bundle_of(program[f"{host}-bootstrap"]).settings
        assert isinstance(settings, HostSettings)
        known[host] = settings.database
    assert known == {"region1": ADDRESSES, "region2": ADDRESSES, "rack1": ()}
