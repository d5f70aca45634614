"""psql, on the server's own host and over the network."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent import disk
from agent.bundle import PostgresSettings, RegionSettings
from agent.commands import Completed
from agent.machine import Machine, Work
from agent.paths import Paths
from agent.sql import pgpass_field

CONNECT_SECONDS = 10
QUERY_SECONDS = 60.0
FLAGS = ("-X", "-q", "-At", "-w", "-v", "ON_ERROR_STOP=1")


@dataclass(frozen=True)
class Login:
    """Where to, and as whom."""

    host: str
    port: int
    user: str
    password: str
    authority: str = ""
    """File with the certificate of the authority that the server must have its own from; "" for TLS as it comes."""


def psql(settings: PostgresSettings) -> tuple[str, ...]:
    """psql as the server's administrator on its own host, with SQL on standard input."""
    return administrators_psql("--cluster", f"{settings.version}/main")


def administrators_psql(*where: str) -> tuple[str, ...]:
    """psql as the administrator of the server on this host that psql's options `where` lead to."""
    flags = ("-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *where, "-d", "postgres")
    return ("runuser", "-u", "postgres", "--", "psql", *flags)


def ask(work: Work, settings: RegionSettings, script: str, database: str = "") -> Completed:
    """Run `script` in `database`, MAAS's own by default; a psql that the script starts connects to the same place."""
    return run_sql(work, _login(work, settings), database or settings.database, script)


def run_sql(machine: Machine, login: Login, database: str, script: str) -> Completed:
    """Run `script` in `database`."""
    return _as(machine, login, database, (newest_psql(machine.paths), *FLAGS), script, QUERY_SECONDS)


def newest_psql(paths: Paths) -> str:
    """The newest psql here: Debian's own is a Perl script that looks for it, which takes longer than a query."""
    found = paths.at("/usr/lib/postgresql").glob("*/bin/psql")
    return str(max(found, key=lambda psql: float(psql.parts[-3]), default="psql"))


def run_client(work: Work, settings: RegionSettings, *argv: str, timeout: float) -> Completed:
    """Run another of PostgreSQL's programs with MAAS's database."""
    return _as(work, _login(work, settings), settings.database, (*argv, "--no-password"), "", timeout)


def _login(work: Work, settings: RegionSettings) -> Login:
    """MAAS's own."""
    password = work.secret("database_password")
    return Login(settings.database_host, settings.database_port, settings.role, password)


def _as(machine: Machine, login: Login, database: str, argv: tuple[str, ...], script: str, timeout: float) -> Completed:
    """Run a client of PostgreSQL's.

    The password is briefly in a file of root's alone, never in an argument or the environment.
    """
    fields = (login.host, str(login.port), database, login.user, login.password)
    with tempfile.TemporaryDirectory(prefix="pgpass-", dir=machine.paths.state) as folder:
        passfile = Path(folder) / "pgpass"
        disk.write_new(passfile, (":".join(map(pgpass_field, fields)) + "\n").encode(), 0, 0, 0o600)
        environment = {
            "PGHOST": login.host,
            "PGPORT": str(login.port),
            "PGUSER": login.user,
            "PGDATABASE": database,
            "PGPASSFILE": str(passfile),
            "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
        }
        if login.authority:
            environment |= {"PGSSLMODE": "verify-ca", "PGSSLROOTCERT": login.authority}
        return machine.commands.run(*argv, stdin=script, env=environment, timeout=timeout, check=False)
