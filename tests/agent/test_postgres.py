"""The postgres role on a real PostgreSQL server, started by hooks of the machine's systemd."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.bundle import Bundle, Effect, File, PostgresSettings
from agent.roles import postgres
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
PASSWORD = "it's a \\ secret"


class Server:
    """A server of this test's own, on a socket in its folder."""

    def __init__(self, machine: FakeHost, local: Local, folder: Path) -> None:
        self.machine, self.local, self.folder = machine, local, folder
        self.bin = BINARIES[-1].parent
        self.version = int(self.bin.parent.name)
        self.unit = f"postgresql@{self.version}-main.service"
        self.etc = f"/etc/postgresql/{self.version}/main"
        self.owner = pwd.getpwnam("postgres")
        data = folder / "data"
        self.user("initdb", "-D", str(data), "-A", "peer", "--no-sync", "-E", "UTF8", "--locale=C")
        conf = f"data_directory = '{data}'\nhba_file = '{machine.root}{self.etc}/pg_hba.conf'\nlisten_addresses = ''\n"
        conf += f"ident_file = '{data}/pg_ident.conf'\n"
        conf += f"unix_socket_directories = '{folder}'\nfsync = off\nshared_buffers = 1MB\ninclude_dir = 'conf.d'\n"
        machine.write(f"{self.etc}/postgresql.conf", conf)
        machine.write(f"{self.etc}/pg_hba.conf", "local all postgres peer\n")
        (machine.root / self.etc.lstrip("/") / "conf.d").mkdir()
        for path in (folder, *machine.root.parents, machine.root):
            if str(path).startswith(("/tmp/", "/dev/shm/")):
                path.chmod(0o755)
        config = f"-c config_file={machine.root}{self.etc}/postgresql.conf"
        control = f"runuser -u postgres -- {self.bin}/pg_ctl -w -D {data} -l {folder}/log -o '{config}'"
        machine.unit(self.unit, "enabled-runtime inactive")
        for verb in ("start", "restart"):
            machine.hook(verb, self.unit, f"{control} {verb} >/dev/null")
        for verb in ("reload", "reload-or-restart"):
            machine.hook(verb, self.unit, f"{control} reload >/dev/null")
        machine.hook("stop", self.unit, f"{control} -m fast stop >/dev/null")
        script = 'for word; do shift; case $word in --cluster) ;; */main) ;; *) set -- "$@" "$word" ;; esac; done\n'
        machine.program("psql", f'{script}echo >>{folder}/psql.log\nexec {self.bin}/psql -h {folder} "$@"')
        (folder / "psql.log").touch(mode=0o666)
        (folder / "psql.log").chmod(0o666)

    def user(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as its user."""
        argv = ("runuser", "-u", "postgres", "--", str(self.bin / program), *arguments)
        return subprocess.run(argv, check=True, capture_output=True, text=True, cwd="/").stdout

    def ask(self, sql: str) -> str:
        """The answer of the server's administrator."""
        return self.user("psql", "-X", "-At", "-h", str(self.folder), "-d", "postgres", "-c", sql).strip()

    def stop(self) -> None:
        """End the server, if it runs."""
        if (self.folder / "data/postmaster.pid").exists():
            self.user("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def bundle(self, limit: int = 30, hba: str = "local all postgres peer\n", password: str = PASSWORD) -> Bundle:
        """PostgreSQL as the program asks for it."""

        def file(path: str, content: str, effect: Effect) -> File:
            owner = "postgres"
            return File(f"{self.etc}/{path}", content, owner, owner, 0o640, effect=effect, units=(self.unit,))

        return Bundle(
            host="h1",
            component="db",
            settings=PostgresSettings(self.version, "maas db", 'maas"role'),
            files=(
                file("pg_hba.conf", hba, Effect.RELOAD),
                file("conf.d/60-restart.conf", f"max_connections = {limit}\n", Effect.RESTART),
                file("conf.d/61-reload.conf", "work_mem = 5MB\nlog_statement = all\n", Effect.RELOAD),
            ),
            units=(self.unit,),
            secrets={"database_password": password},
        )


@contextmanager
def server_of(machine: FakeHost, local: Local) -> Iterator[Server]:
    """A server that is gone afterwards."""
    if not BINARIES or os.geteuid() != 0:
        pytest.fail("needs root and a PostgreSQL server: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    server = Server(machine, local, folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def server(machine: FakeHost, local: Local, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(postgres, "START_DEADLINE", 20.0)
    with server_of(machine, local) as made:
        yield made


def test_role_and_database_are_made_once(server: Server) -> None:
    outputs = server.local.apply(server.bundle())
    assert outputs["max_connections"] == 30
    assert str(outputs["version"]).startswith(f"{server.version}.")
    assert server.ask("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'maas\"role'") == "t|f"
    assert server.ask("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'maas db'") == 'maas"role'
    before = server.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'maas\"role'")
    server.machine.calls()
    (server.folder / "psql.log").write_text("")
    server.local.apply(server.bundle())
    assert server.machine.calls() == []
    assert len((server.folder / "psql.log").read_text().splitlines()) == 1
    assert server.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'maas\"role'") == before
    assert server.local.differences() == []


def test_password_works_and_is_in_no_log(server: Server) -> None:
    hba = "local all postgres peer\nlocal all all scram-sha-256\n"
    server.local.apply(server.bundle(hba=hba))
    for password in (PASSWORD, "another one"):
        server.local.apply(server.bundle(hba=hba, password=password))
        where = ("-h", str(server.folder), "-U", 'maas"role', "-d", "maas db")
        argv = (str(server.bin / "psql"), "-X", "-At", *where, "-c", "SELECT 1")
        done = subprocess.run(argv, env={"PGPASSWORD": password}, capture_output=True, text=True, check=False)
        assert done.stdout == "1\n", done.stderr
        assert password not in (server.folder / "log").read_text()
        assert password.replace("'", "''") not in (server.folder / "log").read_text()


def test_reload_and_restart_only_as_needed(server: Server) -> None:
    server.local.apply(server.bundle())
    server.machine.calls()
    server.local.apply(server.bundle(hba="local all postgres peer\n# more\n"))
    assert server.machine.calls() == [f"reload {server.unit}"]
    assert server.local.apply(server.bundle(limit=40))["max_connections"] == 40
    assert server.machine.calls() == [f"restart {server.unit}"]


def test_bad_configuration_is_refused_before_the_server_sees_it(server: Server) -> None:
    server.local.apply(server.bundle())
    server.machine.calls()
    before = server.machine.snapshot()
    with pytest.raises(ToldError, match=r"(?s)PostgreSQL refuses pg_hba.conf: line 1: .*nonsense"):
        server.local.apply(server.bundle(hba="local all all nonsense\n"))
    with pytest.raises(ToldError, match="PostgreSQL refuses its configuration") as told:
        server.local.apply(server.bundle(limit=-5))
    assert any("max_connections" in line for line in told.value.lines)
    assert server.machine.calls() == []
    assert server.machine.snapshot() == before


def test_setting_that_waits_for_a_restart_is_told(server: Server) -> None:
    server.local.apply(server.bundle())
    server.machine.write(f"{server.etc}/conf.d/99-admin.conf", "max_connections = 77\n")
    server.user("pg_ctl", "-D", str(server.folder / "data"), "reload")
    with pytest.raises(ToldError, match=r"settings wait for a restart of .*: max_connections"):
        server.local.apply(server.bundle(hba="local all postgres peer\n# more\n"))
    assert server.local.differences() == ["setting max_connections waits for a restart"]


def test_connections_that_were_taken_away_are_told(server: Server) -> None:
    """`ALTER SYSTEM` wins over every file, so a file that says enough proves nothing."""
    bundle = replace(server.bundle(limit=30), settings=PostgresSettings(server.version, "maas db", 'maas"role', 27))
    server.local.apply(bundle)
    assert server.local.differences() == []
    server.ask("ALTER SYSTEM SET max_connections = 29")
    subprocess.run([server.machine.outside / "hooks" / f"restart-{server.unit}"], check=True)
    with pytest.raises(ToldError, match=r"MAAS needs 27 connections and can have 26 \(max_connections 29, 3 kept"):
        server.local.apply(bundle)
    (difference,) = server.local.differences()
    assert "ALTER SYSTEM RESET max_connections" in difference


def test_wrong_owner_and_superuser_are_put_right(server: Server) -> None:
    server.local.apply(server.bundle())
    server.ask('ALTER DATABASE "maas db" OWNER TO postgres')
    server.ask('ALTER ROLE "maas""role" SUPERUSER NOLOGIN')
    assert len(server.local.differences()) == 2
    server.local.apply(server.bundle())
    assert server.ask("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'maas\"role'") == "t|f"
    assert server.ask("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'maas db'") == 'maas"role'


def test_remove_keeps_server_role_and_data(server: Server) -> None:
    before = server.machine.snapshot()
    server.local.apply(server.bundle())
    server.machine.calls()
    server.local.remove(server.bundle())
    files = {name: state for name, state in server.machine.snapshot().items() if state[0] != "unit"}
    assert files == {name: state for name, state in before.items() if state[0] != "unit"}
    assert server.machine.calls() == [f"restart {server.unit}"]
    assert server.ask("SELECT count(*) FROM pg_database WHERE datname = 'maas db'") == "1"
    assert server.ask("SELECT count(*) FROM pg_roles WHERE rolname = 'maas\"role'") == "1"
