"""A real PostgreSQL whose data Patroni goes on with: undone, committed, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.bundle import Bundle, File
from agent.cluster_settings import PATRONI_UNIT, PatroniSettings
from agent.errors import StepError
from agent.etcd import Etcd
from agent.roles.patroni import Patroni
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.test_crash import run
from tests.agent.test_postgres import Server, server_of

PASSWORDS = {f"{name}_password": f"one of {name}" for name in ("superuser", "replication", "rewind")}
INITIALIZE = "/maas-ha/maas/initialize"


@pytest.fixture
def server(machine: FakeHost, local: Local, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The stack's one PostgreSQL, with its role and database; etcd has a majority and knows nothing."""
    monkeypatch.setattr(Etcd, "ailment", lambda _: "")
    monkeypatch.setattr(Etcd, "value", lambda _, key: "")
    monkeypatch.setattr(Patroni, "health", lambda _: None)
    with server_of(machine, local) as made:
        machine.unit(PATRONI_UNIT, "disabled inactive")
        machine.program("patroni", "true")
        machine.program("pg_lsclusters", "true")
        # The server tells where its data are, and the agent looks for them below this machine's root.
        seen = machine.root / str(made.folder).lstrip("/")
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.symlink_to(made.folder)
        (machine.root / f"var/lib/postgresql/{made.version}").mkdir(parents=True)
        local.apply(made.bundle())
        machine.calls()
        yield made


def patroni(server: Server) -> Bundle:
    """Patroni on this host, the first of its cluster."""
    settings = PatroniSettings(server.version, "198.51.100.11", ("198.51.100.11",), (), "h1")
    files = (File("/etc/patroni/config.yml", "scope: maas\n"),)
    return Bundle("h1", "c-patroni", settings, files=files, units=(PATRONI_UNIT,), secrets=PASSWORDS)


def link(server: Server) -> str:
    return f"/var/lib/postgresql/{server.version}/maas-ha"


def test_a_takeover_that_fails_is_undone(server: Server, machine: FakeHost, local: Local) -> None:
    signal = server.folder / "data/standby.signal"
    machine.hook("start", PATRONI_UNIT, f"touch {signal}; exit 1")
    with pytest.raises(ToldError, match="patroni"):
        local.apply(patroni(server))
    told = [line for line in machine.calls() if not line.startswith(("daemon", "enable", "disable"))]
    assert told == [f"stop {server.unit}", f"start {PATRONI_UNIT}", f"stop {PATRONI_UNIT}", f"restart {server.unit}"]
    assert not signal.exists()
    assert server.ask("SELECT pg_is_in_recovery()") == "f"
    assert local.differences() == []


def test_one_that_is_killed_is_undone_by_the_next_run(server: Server, machine: FakeHost, local: Local) -> None:
    signal = server.folder / "data/standby.signal"
    machine.hook("start", PATRONI_UNIT, f"touch {signal}; kill -9 $(ps -o ppid= -p $PPID)")
    assert run(machine, "apply", patroni(server)) == -9
    assert not (server.folder / "data/postmaster.pid").exists()
    assert run(machine, "verify", None) == 0, (machine.outside / "agent.log").read_text()
    assert not signal.exists()
    assert server.ask("SELECT pg_is_in_recovery()") == "f"


def test_data_of_another_cluster_in_etcd_are_refused_with_the_one_serving(
    server: Server, machine: FakeHost, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Etcd, "value", lambda _, key: "7000000000000000001" if key == INITIALIZE else "")
    with pytest.raises(ToldError, match="etcd knows the cluster by other data"):
        local.apply(patroni(server))
    assert machine.calls() == []
    assert server.ask("SELECT 1") == "1"


def test_patroni_finds_the_data_the_settings_and_its_roles(server: Server, machine: FakeHost, local: Local) -> None:
    own = r"log_line_prefix = 'a\\b''c '"
    (machine.root / f"{server.etc}/conf.d/99-own.conf".lstrip("/")).write_text(f"{own}\n")
    local.apply(patroni(server))
    place = machine.root / link(server).lstrip("/")
    assert place.is_symlink()
    assert str(place.readlink()) == str(server.folder / "data")
    assert machine.unit(server.unit) == "enabled-runtime inactive"
    assert not (server.folder / "data/postmaster.pid").exists()
    base = (server.folder / "data/postgresql.base.conf").read_text()
    assert "log_statement = 'all'\n" in base
    assert f"{own}\n" in base
    assert "data_directory" not in base
    assert "max_connections" not in base
    data, log = str(server.folder / "data"), str(server.folder / "log")
    conf = f"-c config_file={machine.root}{server.etc}/postgresql.conf"
    server.user("pg_ctl", "-w", "-D", data, "-l", log, "-o", conf, "start")
    asked = "SELECT rolname, rolreplication FROM pg_roles WHERE rolname IN ('replicator', 'rewind') ORDER BY 1"
    assert server.ask(asked).splitlines() == ["replicator|t", "rewind|f"]
    assert server.ask("SELECT has_function_privilege('rewind', 'pg_read_binary_file(text)', 'execute')") == "t"
    assert server.ask("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres'") == "t"


def test_the_configuration_stays_where_a_takeover_failed(server: Server, machine: FakeHost, local: Local) -> None:
    """What stays of it is the link alone."""
    machine.hook("start", PATRONI_UNIT, "exit 1")
    with pytest.raises(ToldError):
        local.apply(patroni(server))
    assert (machine.root / link(server).lstrip("/")).is_symlink()
    local.remove(server.bundle())
    assert (machine.root / server.etc.lstrip("/")).exists()
    assert server.ask("SELECT 1") == "1"


def test_the_former_configuration_is_put_away(server: Server, machine: FakeHost, local: Local) -> None:
    local.apply(patroni(server))
    local.remove(server.bundle())
    assert not (machine.root / server.etc.lstrip("/")).exists()
    assert "data_directory" in machine.read(f"/etc/postgresql/former-{server.version}-main/postgresql.conf")
    assert machine.unit(PATRONI_UNIT) == "enabled active"
    with pytest.raises(ToldError, match=r"Put database\.cluster back"):
        local.apply(replace(server.bundle(), component="other"))


def test_while_it_is_the_stacks_it_is_given_back(
    server: Server, machine: FakeHost, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.apply(patroni(server))
    monkeypatch.setattr("agent.patroni.Patroni.leader", lambda _: "h2")
    with pytest.raises(ToldError, match="h2 leads, and PostgreSQL on h1 would go on without what was written there"):
        local.remove(patroni(server))
    monkeypatch.setattr("agent.patroni.Patroni.leader", lambda _: "h1")
    local.remove(patroni(server))
    assert machine.unit(PATRONI_UNIT) == "disabled inactive"
    assert server.ask("SELECT pg_is_in_recovery()") == "f"
    assert local.differences() == []


def test_giving_it_back_goes_on_where_it_failed(
    server: Server, machine: FakeHost, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.patroni.Patroni.leader", lambda _: "h1")
    local.apply(patroni(server))
    starts = (machine.outside / f"hooks/start-{server.unit}").read_text()
    machine.hook("start", server.unit, "exit 1")
    with pytest.raises(StepError, match="systemctl start"):
        local.remove(patroni(server))
    machine.hook("start", server.unit, starts)
    local.remove(patroni(server))
    assert server.ask("SELECT pg_is_in_recovery()") == "f"
    assert not (machine.root / link(server).lstrip("/")).is_symlink()
