"""Hosts of a database cluster: what is refused before anything is touched, and the order in which a change rolls."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agent.bundle import Bundle, File, PostgresSettings
from agent.cluster_settings import ETCD_UNIT, PATRONI_UNIT, EtcdSettings, PatroniSettings, PostgresClusterSettings
from agent.commands import Completed
from agent.database_client import Login
from agent.errors import StepError
from agent.etcd import Etcd
from agent.machine import Machine
from agent.packages import Packages
from agent.paths import Paths
from agent.patroni import Member, is_within, undo_of
from agent.patroni import Patroni as PatroniApi
from agent.records import Record, Records
from agent.roles import postgres_cluster, role_class
from agent.trouble import ToldError
from agent.units import Units
from tests.agent.conftest import FakeHost, Local

MEMBERS = {"h1": "198.51.100.11", "h2": "198.51.100.12", "h3": "198.51.100.13"}
ETCD = Bundle("h1", "c-etcd", EtcdSettings(MEMBERS), units=(ETCD_UNIT,))
PATRONI = Bundle(
    "h1",
    "c-patroni",
    PatroniSettings(15, MEMBERS["h1"], tuple(MEMBERS.values()), ("local all postgres peer",), "h2", 90),
    files=(File("/etc/patroni/config.yml", "scope: maas\n"),),
    units=(PATRONI_UNIT,),
)
WHOLE = PostgresClusterSettings(
    MEMBERS, 15, "maasdb", "maas", json.dumps({"postgresql": {"parameters": {"max_connections": 150}}}), True, 100
)
SECRETS = {"database_password": "one of maas", "superuser_password": "one of postgres"}


@pytest.fixture(autouse=True)
def host(machine: FakeHost) -> FakeHost:
    machine.unit(ETCD_UNIT, "enabled inactive")
    machine.unit("postgresql@15-main.service", "enabled-runtime inactive")
    machine.unit(PATRONI_UNIT, "enabled inactive")
    machine.program("pg_lsclusters", "true")
    return machine


def refusal(local: Local, bundle: Bundle) -> str:
    """Why `bundle` is refused, with nothing touched."""
    before = local.machine.snapshot()
    with pytest.raises(ToldError) as caught:
        local.apply(bundle)
    assert local.machine.snapshot() == before
    return str(caught.value)


def test_the_host_with_the_one_database_must_be_the_first(local: Local) -> None:
    record = Record("t", "h1", "h1-postgres", PostgresSettings(15, "maasdb", "maas"), (), (), (), {}, ())
    with local._ready(ETCD):
        Records(local.paths).save(record)
    told = refusal(local, replace(ETCD, settings=EtcdSettings(MEMBERS, "h2")))
    assert "the stack's one PostgreSQL (h1-postgres)" in told
    assert "Write h1 first in database.cluster" in told
    assert "postgresql@15-main.service doesn't run" in refusal(local, PATRONI)
    newer = replace(PATRONI, settings=PatroniSettings(16, MEMBERS["h1"], tuple(MEMBERS.values()), (), "h1"))
    assert "Write database.version: 15" in refusal(local, newer)


def test_only_the_first_host_makes_the_database(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Etcd, "ailment", lambda _: "")
    monkeypatch.setattr(Etcd, "value", lambda _, key: "")
    assert "h2, the first in database.cluster, is to make it" in refusal(local, PATRONI)


def test_another_postgresql_on_the_port_is_refused(local: Local, host: FakeHost) -> None:
    host.program("pg_lsclusters", "echo 15 main 5432 down postgres /var/lib/postgresql/15/main /var/log/x.log")
    assert "PostgreSQL 15/main is on this host (down)" in refusal(local, PATRONI)


def test_another_patroni_and_another_etcd_are_refused(local: Local, host: FakeHost) -> None:
    host.unit(ETCD_UNIT, "enabled active")
    host.unit(PATRONI_UNIT, "enabled active")
    assert "runs on this host for something else" in refusal(local, ETCD)
    assert "runs on this host for something else" in refusal(local, PATRONI)


def test_data_that_etcd_does_not_know_stays_and_starts_nothing(
    local: Local, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.write("/var/lib/postgresql/15/maas-ha/PG_VERSION", "15\n")
    monkeypatch.setattr(Etcd, "ailment", lambda _: "")
    monkeypatch.setattr(Etcd, "value", lambda _, key: "" if key == "/maas-ha/maas/initialize" else "1")
    assert "data of a cluster that etcd knows nothing of" in refusal(local, PATRONI)


def test_members_of_a_running_etcd_stay(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Etcd, "ailment", lambda _: "")
    local.apply(ETCD)
    other = replace(ETCD, settings=EtcdSettings({**MEMBERS, "h3": "198.51.100.99"}))
    told = refusal(local, other)
    assert "h3 (198.51.100.13)" in told
    assert "put them back into database.cluster" in told


def test_status_tells_the_part_of_this_host(local: Local, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Etcd, "ailment", lambda _: "no majority")
    found = [Member("h1", "sync_standby", "streaming", False, 16), Member("h2", "leader", "running", False)]
    monkeypatch.setattr(PatroniApi, "members", lambda _: found)
    host.program("runuser", "echo 7")
    host.write("/etc/patroni/maas-ha.crt", "PEM")
    records = [Record("t", "h1", bundle.component, bundle.settings, (), (), (), {}, ()) for bundle in (ETCD, PATRONI)]
    with local._ready(ETCD) as (report, commands):
        units = Units(commands, report, lambda name, before, verb: None)
        machine = Machine(local.paths, report, commands, units, Packages(local.paths, commands, report))
        etcd, patroni = (role_class(record.role).told(machine, record) for record in records)
    assert etcd == {"etcd": "etcd: no majority"}
    assert patroni == {
        "member": {"role": "sync standby", "state": "streaming", "lag_bytes": 16},
        "connections": {"used": 7, "allowed": 90},
        "certificates": {"PostgreSQL": "PEM"},
    }


def test_a_patch_and_what_undoes_it() -> None:
    found: dict[str, object] = {"ttl": 30, "postgresql": {"use_slots": True, "parameters": {"max_connections": 100}}}
    wanted: dict[str, object] = {"ttl": 30, "postgresql": {"parameters": {"max_connections": 150, "other": 1}}}
    assert is_within({"ttl": 30, "postgresql": {"use_slots": True}}, found)
    assert not is_within(wanted, found)
    assert undo_of(wanted, found) == {"ttl": 30, "postgresql": {"parameters": {"max_connections": 100, "other": None}}}


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


class Hosts:
    """Three hosts that follow a changed limit once they are restarted, and what they were told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.leads, self.limit, self.promoted = "h2", 100, ""
        self.limits = dict.fromkeys(MEMBERS, 100)

    def configuration(self) -> dict[str, object]:
        return {"postgresql": {"parameters": {"max_connections": self.limit}}}

    def patch(self, name: str, changes: dict[str, object]) -> None:
        self.told.append(f"patch {name}")
        self.limit = json.loads(json.dumps(changes))["postgresql"]["parameters"]["max_connections"]

    def restart(self, name: str) -> None:
        """A replica never has a lower limit than its leader."""
        self.told.append(f"restart {name}")
        self.limits[name] = self.limit if name == self.leads else max(self.limit, self.limits[self.leads])

    def switch_over(self, leader: str, candidate: str) -> None:
        self.told.append(f"{leader} gives way to {candidate}")
        self.leads = self.promoted = candidate

    def waits_for_restart(self, name: str) -> bool:
        """One that leads since just now hasn't looked yet."""
        return self.limits[name] != self.limit and name != self.promoted

    def leader(self) -> str:
        return self.leads

    def is_up(self, name: str) -> str:
        return ""

    def members(self) -> list[Member]:
        synchronous = next(name for name in reversed(MEMBERS) if name != self.leads)
        roles = {self.leads: "leader", synchronous: "sync_standby"}
        return [Member(name, roles.get(name, "replica"), "running", False) for name in MEMBERS]


@pytest.fixture
def statements(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the hosts are told in SQL: `HOST: SCRIPT`."""
    statements = list[str]()

    def patroni(paths: Paths, members: dict[str, str]) -> Hosts:
        return hosts

    def run_sql(machine: Machine, login: Login, database: str, script: str) -> Completed:
        name = next(name for name, address in MEMBERS.items() if address == login.host)
        if "pg_settings WHERE name IN" in script:
            return Completed((), 0, json.dumps({"max_connections": str(hosts.limits[name])}), "")
        if "json_build_array" in script:
            answer = ["15.9", hosts.limits[name], 9, 1.0, None, None, None, None, None, None]
            return Completed((), 0, json.dumps(answer), "")
        statements.append(f"{name}: {script}")
        return Completed((), 0, "", "")

    monkeypatch.setattr(postgres_cluster, "Patroni", patroni)
    monkeypatch.setattr(postgres_cluster, "run_sql", run_sql)
    return statements


def test_replicas_restart_first_and_the_leader_as_a_replica(local: Local, hosts: Hosts, statements: list[str]) -> None:
    bundle = Bundle("h1", "c", WHOLE, secrets=SECRETS)
    assert local.apply(bundle) == {"version": "15.9"}
    assert hosts.told == ["patch h2", "restart h1", "restart h3", "h2 gives way to h3", "restart h2"]
    assert [text.partition(" ")[0] for text in statements] == ["h3:"]
    assert SECRETS["database_password"] not in statements[0]
    hosts.told.clear()
    local.apply(bundle)
    assert hosts.told == []


def test_settings_come_back_though_no_host_leads(
    local: Local, hosts: Hosts, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(leader: str, candidate: str) -> None:
        hosts.leads = ""
        raise StepError("nobody leads")

    monkeypatch.setattr(hosts, "switch_over", lost)
    with pytest.raises(ToldError, match="nobody leads"):
        local.apply(Bundle("h1", "c", WHOLE, secrets=SECRETS))
    assert (hosts.told[-1], hosts.limit) == ("patch h1", 100)


def test_a_lower_limit_is_in_force_on_all_hosts_in_the_end(local: Local, hosts: Hosts, statements: list[str]) -> None:
    hosts.limit, hosts.limits = 200, dict.fromkeys(MEMBERS, 200)
    local.apply(Bundle("h1", "c", WHOLE, secrets=SECRETS))
    assert hosts.limits == dict.fromkeys(MEMBERS, 150)
    assert hosts.told[:4] == ["patch h2", "restart h1", "restart h3", "h2 gives way to h3"]
    assert hosts.told[-3:] == ["restart h3", "restart h1", "restart h2"]
