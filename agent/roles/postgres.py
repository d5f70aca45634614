"""PostgreSQL in Debian's layout: MAAS's role and database; data is never removed (maas-facts §7)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from agent import scram
from agent.bundle import Effect, PostgresSettings
from agent.changes import effects
from agent.commands import Completed
from agent.database_client import psql
from agent.errors import StepError
from agent.machine import Machine, Work
from agent.records import Record, Records
from agent.roles.base import Outputs, Role
from agent.sql import identifier, literal
from agent.takeover import START_DEADLINE, Former, is_taken_over, put_away


@dataclass(frozen=True)
class ServerState:
    """What the server says of itself and of MAAS's role and database."""

    version: str
    max_connections: int
    kept: int
    """Connections that only superusers and roles like them get."""
    loaded: float
    """When the configuration was read last (seconds since the epoch)."""
    pending: tuple[str, ...]
    """Settings that wait for a restart."""
    hba_error: str
    verifier: str | None
    """Password of the role as stored; None without role or password."""
    can_login: bool | None
    """None if there is no such role."""
    superuser: bool | None
    owner: str | None
    """Owner of the database; None if there is no such database."""


class Postgres(Role):
    """The database server of MAAS."""

    def __init__(self, work: Work, settings: PostgresSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._swapped = time.time()
        self._state: ServerState | None = None

    def prepare(self) -> None:
        """The password must be in the bundle; a cluster's host doesn't go back to one PostgreSQL."""
        self.work.secret("database_password")
        if self.work.record is None and self._has_patroni():
            raise StepError(
                "Patroni runs the stack's database on this host, whose rows a PostgreSQL of its own would not have;"
                " nothing was touched\n"
                "Put database.cluster back: a cluster doesn't become one PostgreSQL again"
            )

    def _has_patroni(self) -> bool:
        return any(record.role == "patroni" for record in Records(self.work.paths).all())

    def before_units(self) -> None:
        """Let PostgreSQL read the new files before it has to live with them."""
        if not self.work.changes:
            return
        self._swapped = time.time()
        self.work.report.step("check the PostgreSQL configuration")
        server = f"/usr/lib/postgresql/{self.settings.version}/bin/postgres"
        config = f"config_file={self.work.paths.at(f'/etc/postgresql/{self.settings.version}/main/postgresql.conf')}"
        argv = ("runuser", "-u", "postgres", "--", server, "-C", "max_connections", "-c", config)
        done = self.work.commands.run(*argv, check=False)
        if done.code != 0:
            raise StepError(f"PostgreSQL refuses its configuration: {done.stderr.strip() or done.complaint}")
        if self.work.units.state(self.settings.unit).active and (
            error := read_state(self.work, self.settings).hba_error
        ):
            raise StepError(f"PostgreSQL refuses pg_hba.conf: {error}")

    def health(self) -> None:
        """The server answers, has read its files, and no setting waits for a restart."""
        self.work.wait("PostgreSQL", START_DEADLINE, self._missing, unit=self.settings.unit)
        if self._state and self._state.pending:
            raise StepError(f"settings wait for a restart of {self.settings.unit}: {', '.join(self._state.pending)}")
        if self._state and (short := too_few_connections(self.settings, self._state)):
            raise StepError(short)

    def _missing(self) -> str:
        done = _ask(self.work, self.settings)
        if done.code != 0:
            return done.complaint
        self._state = parse_state(done.stdout)
        told = effects(self.work.changes).get(self.settings.unit, Effect.NOTHING) is not Effect.NOTHING
        # A reload is only a signal; the server says when it has followed it.
        return "it hasn't read its files yet" if told and self._state.loaded < self._swapped - 0.001 else ""

    def finish(self) -> None:
        """Role with this password, database with this owner; statements only for what differs."""
        state = self._state or read_state(self.work, self.settings)
        statements = statements_for(self.settings, state, self.work.secret("database_password"))
        if statements:
            self.work.report.step(f"role {self.settings.role} and database {self.settings.database}")
            self.work.commands.run(*psql(self.settings), stdin="".join(f"{s};\n" for s in statements))

    def outputs(self) -> Outputs:
        """Server version and connection limit."""
        state = self._state or read_state(self.work, self.settings)
        return {"version": state.version, "max_connections": state.max_connections}

    def removed(self) -> None:
        """Patroni may have taken the data over: then nobody is to start them as they were.

        A link alone says nothing: it stays of a takeover that failed.
        """
        if self._has_patroni() and is_taken_over(self.work.paths, self.settings.version):
            put_away(self.work, Former(self.work.bundle.component, self.settings))

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """Connections that are open and that MAAS's role may have, and the server's certificate."""
        settings = record.settings
        assert isinstance(settings, PostgresSettings)  # noqa: S101 - the record's role is this one
        query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend';"
        done = machine.commands.run(*psql(settings), stdin=query, check=False)
        used = int(done.stdout) - 1 if done.code == 0 else None  # the one that asks isn't meant
        texts = [machine.paths.at(file.path) for file in record.files if file.path.endswith(".crt")]
        served = [text.read_text() for text in texts if text.exists()]
        return {
            "connections": {"used": used, "allowed": settings.connections},
            "certificates": {"PostgreSQL": served[0]} if served else {},
        }

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """Server that doesn't answer, settings that wait, role or database that went."""
        settings = record.settings
        if not isinstance(settings, PostgresSettings):
            return []
        done = _ask(machine, settings)
        if done.code != 0:
            return [f"PostgreSQL doesn't answer: {done.complaint}"]
        state = parse_state(done.stdout)
        found = [f"setting {name} waits for a restart" for name in state.pending]
        if short := too_few_connections(settings, state):
            found.append(short)
        if state.hba_error:
            found.append(f"pg_hba.conf: {state.hba_error}")
        if not state.can_login:
            found.append(f"role {settings.role} is missing or can't log in")
        if state.owner != settings.role:
            found.append(f"database {settings.database} belongs to {state.owner or 'nobody: it is missing'}")
        return found


def too_few_connections(settings: PostgresSettings, state: ServerState) -> str:
    """What is wrong if somebody's `ALTER SYSTEM`, which wins over all files, took MAAS's connections away; or ""."""
    left = state.max_connections - state.kept
    if left >= settings.connections:
        return ""
    return (
        f"MAAS needs {settings.connections} connections and can have {left} (max_connections {state.max_connections},"
        f" {state.kept} kept for superusers): ALTER SYSTEM RESET max_connections, superuser_reserved_connections and"
        " reserved_connections, whichever was set there, then restart it"
    )


def statements_for(settings: PostgresSettings, state: ServerState, password: str) -> list[str]:
    """SQL that brings role and database from `state` to `settings`; the password only as its SCRAM verifier."""
    role, database = identifier(settings.role), identifier(settings.database)
    statements = []
    if state.can_login is None:
        statements.append(f"CREATE ROLE {role} LOGIN PASSWORD {literal(scram.verifier(password))}")
    else:
        if not state.can_login or state.superuser:
            statements.append(f"ALTER ROLE {role} LOGIN NOSUPERUSER")
        if not scram.is_for(state.verifier, password):
            statements.append(f"ALTER ROLE {role} PASSWORD {literal(scram.verifier(password))}")
    if state.owner is None:
        statements.append(f"CREATE DATABASE {database} OWNER {role}")
    elif state.owner != settings.role:
        statements.append(f"ALTER DATABASE {database} OWNER TO {role}")
    return statements


def read_state(machine: Machine, settings: PostgresSettings) -> ServerState:
    """Ask the running server. Raises `StepError` if it doesn't answer."""
    done = _ask(machine, settings)
    if done.code != 0:
        raise StepError(f"PostgreSQL doesn't answer: {done.complaint}")
    return parse_state(done.stdout)


def state_query(settings: PostgresSettings) -> str:
    """SQL whose one answer `parse_state` reads."""
    role, database = literal(settings.role), literal(settings.database)
    return f"""
        SELECT json_build_array(
            current_setting('server_version'),
            current_setting('max_connections')::int,
            current_setting('superuser_reserved_connections')::int
                + coalesce(current_setting('reserved_connections', true)::int, 0),
            extract(epoch FROM pg_conf_load_time()),
            (SELECT json_agg(name) FROM pg_settings WHERE pending_restart),
            (SELECT min(format('line %s: %s', line_number, error)) FROM pg_hba_file_rules WHERE error IS NOT NULL),
            (SELECT rolpassword FROM pg_authid WHERE rolname = {role}),
            (SELECT rolcanlogin FROM pg_roles WHERE rolname = {role}),
            (SELECT rolsuper FROM pg_roles WHERE rolname = {role}),
            (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {database}));
        """  # noqa: S608 - quoted by `literal`; psql's variables would not reach into a script on standard input twice


def _ask(machine: Machine, settings: PostgresSettings) -> Completed:
    return machine.commands.run(*psql(settings), stdin=state_query(settings), check=False)


def parse_state(text: str) -> ServerState:
    """What a server answered to `state_query`."""
    version, limit, kept, loaded, pending, hba_error, verifier, can_login, superuser, owner = json.loads(text)
    return ServerState(
        version=version.split()[0],
        max_connections=limit,
        kept=kept,
        loaded=float(loaded),
        pending=tuple(pending or ()),
        hba_error=hba_error or "",
        verifier=verifier,
        can_login=can_login,
        superuser=superuser,
        owner=owner,
    )
