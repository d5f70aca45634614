"""PostgreSQL on three hosts: a leader that loses its power, what it had acknowledged, and settings that roll."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.engine.deployment import Cluster, Deployment
from tests.procedures.database_cluster import (
    MEMBERS,
    Writer,
    api,
    leader,
    members,
    nothing_is_left_to_do,
    settled,
    sql,
)
from tests.procedures.scenario import scenario, until

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "db2": 12, "db3": 13, "region1": 21, "rack1": 31, "lb1": 41}


def workers(number: int) -> Callable[[Cluster], None]:
    """Three database hosts, one region with so many workers, one rack, no DHCP."""

    def change(cluster: Cluster) -> None:
        cluster["database"] = {"cluster": list(MEMBERS), "version": 15}
        cluster["regions"] = {"region1": {"workers": number}}
        cluster["racks"], cluster["dhcp"] = ["rack1"], []

    return change


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("cluster"), "proc-cluster", HOSTS, change=workers(1)) as made:
        made.up()
        yield made


def test_1_every_host_is_as_it_was_left_and_an_update_changes_nothing(deployed: Deployment) -> None:
    lab = deployed.lab
    assert settled(lab)
    nothing_is_left_to_do(deployed, (*MEMBERS, "region1"))
    query = "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE client_port > 0"
    assert set(sql(lab, leader(lab), query)) == {"maas|t", "replicator|t"}
    assert lab.exec("db1", "pg_lsclusters", "--no-header").stdout == ""


def test_2_a_leader_without_power_is_replaced_and_loses_nothing(deployed: Deployment) -> None:
    lab = deployed.lab
    old = leader(lab)
    other = next(name for name in MEMBERS if name != old)
    maas, subnet = api(deployed)
    writer = Writer(maas, subnet, str(deployed.network.network_address).rpartition(".")[0])
    with writer.running():
        until("writes", lambda: len(writer.acknowledged) >= 5)
        lab.poweroff(old)
        before = len(writer.acknowledged)
        until("another leader", lambda: any(r == "Leader" for n, (r, _) in members(lab, other).items() if n != old))
        until("writes again", lambda: len(writer.acknowledged) >= before + 5)
    lab.poweron(old)
    until("the old leader as a replica", lambda: settled(lab, other))
    assert leader(lab, other) != old
    kept = {str(found.start) for found in maas.ranges(subnet)}
    assert set(writer.acknowledged) <= kept
    assert lab.exec(old, "maas-ha-agent", "verify").stdout == ""


def test_3_a_setting_that_needs_a_restart_rolls(deployed: Deployment) -> None:
    lab = deployed.lab
    limits = {host: sql(lab, host, "SHOW max_connections") for host in MEMBERS}
    assert set(map(tuple, limits.values())) == {("100",)}
    old = leader(lab)
    deployed.edit(workers(8))
    deployed.up()
    assert {host: sql(lab, host, "SHOW max_connections") for host in MEMBERS} == {host: ["150"] for host in MEMBERS}
    assert settled(lab)
    assert leader(lab) != old
    deployed.edit(workers(1))
    deployed.up()
    assert {host: sql(lab, host, "SHOW max_connections") for host in MEMBERS} == {host: ["100"] for host in MEMBERS}
