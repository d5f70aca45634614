"""What a region asks of the operator's PostgreSQL, on a real server: each answer names what mends it, all at once."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent import external_database
from agent.bundle import Bundle, RegionSettings
from agent.commands import Commands
from agent.errors import StepError
from agent.machine import Work
from agent.masking import Masker
from agent.paths import Paths
from agent.region_health import advice_on_workers
from agent.report import Report
from agent.transaction import Transaction
from tests.agent.conftest import FakeHost
from tests.lab.standin.daemons.polling import becomes

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
PASSWORD = "it's: a \\ password"
LIMIT, SUPERUSERS = 20, 3
FREE = LIMIT - SUPERUSERS

READY = f"""
    DROP DATABASE IF EXISTS maasdb;
    DROP DATABASE IF EXISTS other;
    ALTER SYSTEM RESET ALL;
    SELECT pg_reload_conf();
    DROP ROLE IF EXISTS maas;
    CREATE ROLE maas LOGIN PASSWORD '{PASSWORD.replace("'", "''")}';
    CREATE DATABASE maasdb OWNER maas;
"""


class Server:
    """A server of this module's own, reached by TCP on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.bin = BINARIES[-1].parent
        self.version = int(self.bin.parent.name)
        self.user("initdb", "-D", str(self.data), "-A", "peer", "--no-sync", "-E", "UTF8", "--locale=C")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        settings = f"listen_addresses = '127.0.0.1'\nport = {self.port}\nmax_connections = {LIMIT}\nfsync = off\n"
        settings += f"superuser_reserved_connections = {SUPERUSERS}\nshared_buffers = 1MB\nmax_wal_senders = 0\n"
        settings += f"unix_socket_directories = '{folder}'\nautovacuum = off\nhot_standby = on\n"
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings)
        self.hba("host all all 127.0.0.1/32 scram-sha-256")
        self.control("start")

    def user(self, program: str, *arguments: str, stdin: str = "") -> str:
        argv = ("runuser", "-u", "postgres", "--", str(self.bin / program), *arguments)
        return subprocess.run(argv, check=True, capture_output=True, text=True, cwd="/", input=stdin).stdout

    def control(self, verb: str) -> None:
        """Start, stop, restart or reload, and wait."""
        flags = ("-m", "immediate") if verb == "stop" else ("-m", "fast") if verb == "restart" else ()
        self.user("pg_ctl", "-s", "-w", "-D", str(self.data), "-l", str(self.folder / "log"), *flags, verb)

    def hba(self, *lines: str) -> None:
        (self.data / "pg_hba.conf").write_text("\n".join(("local all postgres peer", *lines, "")))

    def sql(self, *statements: str) -> str:
        flags = ("-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port))
        return self.user("psql", *flags, "-d", "postgres", stdin=";\n".join(statements) + ";\n").strip()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    if not BINARIES or os.geteuid() != 0:
        pytest.fail("needs root and a PostgreSQL server: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    server = Server(folder)
    yield server
    server.control("stop")
    shutil.rmtree(folder)


@dataclass
class Region:
    """A region host that checks `server` for `settings`."""

    work: Work
    server: Server
    settings: RegionSettings
    capture: pytest.CaptureFixture[str]

    def finds(self, password: str = PASSWORD, **changes: object) -> list[str]:
        """The lines of the refusal, without its head; empty if the server is fit."""
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # the test's own fields
        self.work.bundle = replace(self.work.bundle, secrets={"database_password": password})
        cause = ""
        try:
            external_database.check(self.work, settings)
        except StepError as error:
            cause = error.cause
        head, *problems = cause.splitlines() or [""]
        assert password not in cause
        assert head.endswith("can't serve MAAS yet; nothing was touched:" if cause else "")
        return problems

    def said(self) -> str:
        """What was reported since the last time."""
        return self.capture.readouterr().err


@pytest.fixture
def region(
    running: Server, machine: FakeHost, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Region]:
    """A fit server: the test takes away what it is about."""
    monkeypatch.setenv("PATH", machine.environment["PATH"])
    running.sql(*filter(str.strip, READY.split(";")))
    settings = RegionSettings(
        leader=True,
        workers=1,
        database_host="127.0.0.1",
        database_port=running.port,
        database="maasdb",
        role="maas",
        admin_username="admin",
        admin_email="admin@example.com",
        api_urls=(),
        maas_version="3.5",
        external=True,
        min_postgres=running.version,
        connections=FREE,
    )
    paths, report = Paths(machine.root), Report("h1", Masker([PASSWORD]))
    commands = Commands(report)
    paths.state.mkdir(parents=True, exist_ok=True)
    transaction = Transaction(paths, commands, report, "region", removing=False)
    bundle = Bundle(host="h1", component="region", settings=settings, secrets={"database_password": PASSWORD})
    yield Region(Work.under(transaction, paths, report, commands, bundle, None), running, settings, capfd)
    running.hba("host all all 127.0.0.1/32 scram-sha-256")
    running.control("reload")


def test_a_fit_server_is_accepted_and_left_as_it_is(region: Region) -> None:
    assert region.finds() == []
    assert "advice: connections to the database aren't encrypted" in region.said()
    assert list(region.work.paths.state.glob("pgpass*")) == []
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'maas'"
    becomes(lambda: region.server.sql(sessions), "0", "its sessions have ended")


def test_our_own_database_is_not_asked(region: Region) -> None:
    assert region.finds(external=False, database_port=1) == []


def test_nobody_listens(region: Region) -> None:
    with pytest.raises(StepError, match=r"can't be reached from here \(Connection refused\).*listen_addresses"):
        external_database.check(region.work, replace(region.settings, database_port=1))
    assert "127.0.0.1:1 can't be reached" in external_database.unreachable(replace(region.settings, database_port=1))
    assert external_database.unreachable(region.settings) == ""
    assert external_database.unreachable(replace(region.settings, database_port=1, external=False)) == ""


def test_wrong_password_or_no_role(region: Region) -> None:
    for (problem,) in (region.finds(password="of-another-server"), region.finds(role="nobody")):
        assert "is another one, or there is no such role" in problem
        assert "pulumi config set --secret databasePassword" in problem


def test_pg_hba_does_not_let_the_host_in(region: Region) -> None:
    region.server.hba()
    region.server.control("reload")
    (problem,) = region.finds()
    line = "host maasdb maas 127.0.0.1/32 scram-sha-256"
    assert problem == f"its pg_hba.conf doesn't let 127.0.0.1 in: add `{line}`, then: SELECT pg_reload_conf()"
    region.server.hba(line)
    region.server.control("reload")
    assert region.finds() == []


def test_role_may_not_log_in_or_connect(region: Region) -> None:
    region.server.sql("ALTER ROLE maas NOLOGIN")
    assert region.finds() == ['role maas may not log in: ALTER ROLE "maas" LOGIN']
    region.server.sql("ALTER ROLE maas LOGIN", "ALTER DATABASE maasdb OWNER TO postgres")
    region.server.sql("REVOKE CONNECT ON DATABASE maasdb FROM PUBLIC")
    assert region.finds() == ['role maas may not connect: GRANT CONNECT ON DATABASE "maasdb" TO "maas"']


def test_no_database_and_too_few_connections_are_told_together(region: Region) -> None:
    region.server.sql("DROP DATABASE maasdb")
    database, connections = region.finds(connections=FREE + 1)
    assert database == 'there is no database maasdb: CREATE DATABASE "maasdb" OWNER "maas"'
    assert connections == (
        f"MAAS needs {FREE + 1} connections and can have {FREE} (max_connections {LIMIT}, {SUPERUSERS} kept for"
        f" superusers, 0 in use by others): ALTER SYSTEM SET max_connections = {LIMIT + 1}, then restart it"
    )


def test_everything_that_is_missing_is_told_at_once(region: Region) -> None:
    region.server.sql("ALTER DATABASE maasdb OWNER TO postgres")
    region.server.sql("ALTER ROLE maas SET default_transaction_read_only = on")
    version, read_only, owner, connections = region.finds(min_postgres=99, connections=500)
    assert version == f"it is PostgreSQL {region.server.version}, and MAAS 3.5 needs 99 or newer"
    assert read_only.startswith('transactions are read-only: ALTER DATABASE "maasdb" SET default_transaction_read_only')
    assert owner == 'database maasdb belongs to postgres: ALTER DATABASE "maasdb" OWNER TO "maas"'
    assert connections.startswith(f"MAAS needs 500 connections and can have {FREE}")


def test_before_3_5_the_owner_is_advice_and_create_is_what_counts(region: Region) -> None:
    region.server.sql("ALTER DATABASE maasdb OWNER TO postgres")
    (problem,) = region.finds(maas_version="3.4")
    assert problem.startswith("role maas may not create in database maasdb or its schema public:")
    region.server.sql(
        "GRANT CREATE ON DATABASE maasdb TO maas", r"\c maasdb" + "\nGRANT CREATE ON SCHEMA public TO maas"
    )
    assert region.finds(maas_version="3.4") == []
    assert "advice: database maasdb belongs to postgres; MAAS 3.5 will want maas" in region.said()


def test_connections_in_use_by_others_count_and_maas_s_own_do_not(region: Region) -> None:
    region.server.sql("CREATE DATABASE other", "ALTER ROLE postgres CONNECTION LIMIT -1")
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(session(region.server, "postgres", "other"))
        (problem,) = region.finds()
    assert f"can have {FREE - 2} (" in problem
    assert "2 in use by others" in problem


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("ALTER ROLE maas CONNECTION LIMIT 5", 'can have 5: ALTER ROLE "maas" CONNECTION LIMIT -1'),
        ("ALTER DATABASE maasdb CONNECTION LIMIT 5", 'can have 5: ALTER DATABASE "maasdb" CONNECTION LIMIT -1'),
    ],
)
def test_limits_of_the_role_and_of_the_database(region: Region, statement: str, remedy: str) -> None:
    region.server.sql(statement)
    (problem,) = region.finds()
    assert problem == f"MAAS needs {FREE} connections and {remedy}"


def test_role_and_database_without_any_connection(region: Region) -> None:
    region.server.sql("ALTER ROLE maas CONNECTION LIMIT 0")
    assert region.finds() == ['role maas gets no connection: ALTER ROLE "maas" CONNECTION LIMIT -1']
    region.server.sql("ALTER ROLE maas CONNECTION LIMIT -1", "ALTER DATABASE maasdb CONNECTION LIMIT 0")
    assert region.finds() == ['database maasdb gets no connection: ALTER DATABASE "maasdb" CONNECTION LIMIT -1']


def test_no_connection_is_left_at_all(region: Region) -> None:
    with ExitStack() as held:
        for _ in range(FREE):
            held.enter_context(session(region.server, "postgres", "postgres"))
        (problem,) = region.finds()
    assert problem.startswith("it has no connection left, and MAAS needs 17: raise max_connections")


def test_one_connection_is_no_second_one(region: Region) -> None:
    region.server.sql("ALTER ROLE maas CONNECTION LIMIT 1")
    problems = region.finds()
    assert 'can have 1: ALTER ROLE "maas" CONNECTION LIMIT -1' in problems[0]
    assert problems[1].startswith("a second connection beside the first is refused: ")


def test_standby_is_refused(region: Region) -> None:
    signal = region.server.data / "standby.signal"
    signal.touch()
    shutil.chown(signal, "postgres")
    region.server.control("restart")
    try:
        (problem,) = region.finds()
    finally:
        region.server.sql("SELECT pg_promote()")
    assert problem == "it is a standby and takes no writes: name the primary, or an address that follows it"


def test_sessions_that_share_a_backend_are_refused(region: Region, machine: FakeHost) -> None:
    """As pgbouncer with pool_mode = transaction gives the second session the first one's backend while that is idle."""
    shared = (
        f"#!{sys.executable}\n"
        "import re, subprocess, sys\n"
        "argv = ['/usr/bin/psql', *sys.argv[1:]]\n"
        "if '-c' in argv: sys.exit(subprocess.run(argv).returncode)\n"
        "done = subprocess.run(argv, input=sys.stdin.read(), capture_output=True, text=True)\n"
        "backend = re.search(r'\"backend\" : (\\d+)', done.stdout)[1]\n"
        "print(re.sub(r'second session \\d+', f'second session {backend}', done.stdout), end='')\n"
    )
    machine.program("psql", shared)
    (problem,) = region.finds()
    assert "pool_mode = transaction" in problem


def test_something_else_that_answers(region: Region, machine: FakeHost) -> None:
    machine.program("psql", "echo hello")
    with pytest.raises(StepError, match="what answers is no PostgreSQL"):
        external_database.check(region.work, region.settings)


def test_password_is_only_in_a_file_of_root_s(region: Region, machine: FakeHost) -> None:
    machine.program(
        "psql",
        f'env >"{machine.outside}/environment"; echo "$@" >"{machine.outside}/arguments"\n'
        f'stat -c "%a %U" "$PGPASSFILE" >"{machine.outside}/mode"; exec /usr/bin/psql "$@"',
    )
    assert region.finds() == []
    for name in ("environment", "arguments"):
        assert PASSWORD not in (machine.outside / name).read_text()
    assert (machine.outside / "mode").read_text() == "600 root\n"


@pytest.mark.parametrize(("workers", "cpus", "says"), [(2, 2, ""), (1, 4, ""), (3, 2, "3 workers share 2 CPUs")])
def test_advice_is_one_worker_a_cpu(workers: int, cpus: int, says: str) -> None:
    assert advice_on_workers(workers, cpus).startswith(says)
    assert bool(advice_on_workers(workers, cpus)) == bool(says)


def session(server: Server, user: str, database: str) -> subprocess.Popen[str]:
    """A session that has begun, and lasts until the end of its `with`."""
    argv = ("runuser", "-u", user, "--", str(server.bin / "psql"), "-X", "-q", "-At", "-h", str(server.folder))
    process = subprocess.Popen(
        (*argv, "-p", str(server.port), "-d", database),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write("SELECT 1;\n")
    process.stdin.flush()
    assert process.stdout.readline() == "1\n"
    return process
