"""One PostgreSQL becomes a cluster that begins with its rows; every other way is refused, and a failed one undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from agent.errors import StepError
from lab.cluster import Lab
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import unit_starts
from tests.engine.test_1_up import maas_ha, status
from tests.procedures.database_cluster import MEMBERS, Writer, api, leader, nothing_is_left_to_do, settled, sql
from tests.procedures.scenario import scenario, until

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "db2": 12, "db3": 13, "db4": 14, "region1": 21, "rack1": 31, "lb1": 41}
POSTGRES = "postgresql@15-main.service"
IDENTIFIER = "SELECT system_identifier FROM pg_control_system()"


def database(lab: Lab, **wanted: object) -> Callable[[Cluster], None]:
    """This database, one region, one rack, and no host that has nothing to do."""

    def change(cluster: Cluster) -> None:
        cluster["database"] = {"version": 15, **wanted}
        cluster["regions"], cluster["racks"], cluster["dhcp"] = {"region1": {"workers": 1}}, ["rack1"], []
        named = {"region1", "rack1", "lb1", wanted.get("host"), *_hosts(wanted.get("cluster"))}
        cluster["hosts"] = {host.name: {"address": str(host.address)} for host in lab.hosts if host.name in named}

    return change


def _hosts(names: object) -> list[object]:
    return list(names) if isinstance(names, list) else []


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """All regions on db1, and rows in it."""
    with scenario(tmp_path_factory.mktemp("one"), "proc-one", HOSTS) as made:
        made.edit(database(made.lab, host="db1"))
        made.up()
        yield made


def writing(deployment: Deployment, numbers: range, pause: float = 2.0) -> Writer:
    """Writes one address after the other, so slowly that an update ends before they do."""
    maas, subnet = api(deployment)
    return Writer(maas, subnet, str(deployment.network.network_address).rpartition(".")[0], numbers, pause)


def write(deployment: Deployment, number: int, written: list[str]) -> None:
    """MAAS takes one more, at once or after the failover that is under way."""
    address = f"{str(deployment.network.network_address).rpartition('.')[0]}.{number}"

    def done() -> bool:
        with suppress(StepError, OSError):
            if is_kept(deployment, [address]):
                return True
            maas, subnet = api(deployment)
            maas.create_range(subnet, address, address, "written")
        return False

    until(f"a write of {address}", done)
    written.append(address)


@pytest.fixture(scope="module")
def written() -> list[str]:
    """What MAAS acknowledged, from the one PostgreSQL to the cluster."""
    return []


def is_kept(deployment: Deployment, written: list[str]) -> bool:
    maas, subnet = api(deployment)
    return set(written) <= {str(found.start) for found in maas.ranges(subnet)}


def active(lab: Lab, host: str, unit: str) -> bool:
    return lab.exec(host, "systemctl", "is-active", unit, check=False).stdout.strip() == "active"


def test_1_a_cluster_of_other_hosts_is_refused_before_anything_is_touched(one: Deployment, written: list[str]) -> None:
    lab = one.lab
    write(one, 200, written)
    starts = unit_starts(lab)
    one.edit(database(lab, cluster=["db2", "db3", "db4"]))
    told = one.up_fails()
    assert "region1: prepare: this region's database is at" in told
    assert "first in database.cluster" in told
    assert not any(active(lab, host, "etcd.service") for host in ("db2", "db3", "db4"))
    now = unit_starts(lab)
    assert {unit: now.get(unit) for unit in starts} == starts
    write(one, 201, written)


def test_2_the_host_that_has_the_rows_must_be_the_first(one: Deployment, written: list[str]) -> None:
    lab = one.lab
    starts = unit_starts(lab)
    one.edit(database(lab, cluster=["db2", "db1", "db3"]))
    told = one.up_fails()
    assert "Write db1 first in database.cluster" in told
    assert not any(active(lab, host, "patroni.service") for host in MEMBERS)
    now = unit_starts(lab)
    assert {unit: now.get(unit) for unit in starts} == starts
    write(one, 202, written)


def test_3_a_takeover_that_fails_leaves_the_one_serving(one: Deployment, written: list[str]) -> None:
    lab = one.lab
    taken = "import socket, time; s = socket.create_server(('0.0.0.0', 8008)); time.sleep(9999)"
    lab.exec("db1", "systemd-run", "--unit=rival", "python3", "-c", taken)
    one.edit(database(lab, cluster=list(MEMBERS)))
    writer = writing(one, range(60, 100))
    with writer.running():
        told = one.up_fails()
    written += writer.acknowledged
    assert "patroni.service" in told
    assert "restoring what was there before" in told
    lab.exec("db1", "systemctl", "stop", "rival")
    assert active(lab, "db1", POSTGRES)
    assert not any(active(lab, host, "patroni.service") for host in MEMBERS)
    write(one, 203, written)
    assert is_kept(one, written)


def test_4_the_cluster_begins_with_every_row(one: Deployment, written: list[str]) -> None:
    lab = one.lab
    write(one, 204, written)
    [identifier] = sql(lab, "db1", IDENTIFIER)
    writer = writing(one, range(100, 200))
    with writer.running():
        one.up()
    assert len(writer.acknowledged) >= 5
    written += writer.acknowledged
    write(one, 205, written)
    assert settled(lab)
    assert {host: sql(lab, host, IDENTIFIER) for host in MEMBERS} == {host: [identifier] for host in MEMBERS}
    assert "database_port: 15432" in lab.exec("region1", "cat", "/etc/maas/regiond.conf").stdout
    assert not active(lab, "db1", POSTGRES)
    assert lab.exec("db1", "pg_lsclusters", "--no-header").stdout == ""
    assert is_kept(one, written)


def test_5_a_second_update_changes_nothing(one: Deployment) -> None:
    nothing_is_left_to_do(one, (*MEMBERS, "region1"))


def test_5_status_and_verify_know_the_cluster(one: Deployment) -> None:
    assert maas_ha(one, "verify", STACK).returncode == 0
    found = status(one)
    assert found.problems == []
    assert sorted(database.role for database in found.databases) == ["leader", "replica", "sync standby"]
    assert {database.etcd for database in found.databases} == {"healthy"}
    for database in found.databases:
        assert (database.lag_bytes is None) == (database.role == "leader")
        assert database.connections is not None
    ends = {certificate.name for certificate in found.certificates}
    assert ends == {"authority", *(f"PostgreSQL on {host}" for host in MEMBERS)}


def test_6_the_host_that_was_the_one_is_a_member_like_others(one: Deployment, written: list[str]) -> None:
    lab = one.lab
    old = leader(lab)
    lab.poweroff("db1")
    if old == "db1":
        write(one, 206, written)
    lab.poweron("db1")
    until("db1 back in the cluster", lambda: settled(lab, "db2"))
    assert not active(lab, "db1", POSTGRES)
    write(one, 207, written)
    assert is_kept(one, written)


def test_7_a_cluster_does_not_become_one_again(one: Deployment, written: list[str]) -> None:
    lab = one.lab
    one.edit(database(lab, host="db1"))
    told = one.up_fails()
    assert "Put database.cluster back" in told
    write(one, 208, written)
    one.edit(database(lab, cluster=list(MEMBERS)))
    one.up()
    write(one, 209, written)
    assert is_kept(one, written)
