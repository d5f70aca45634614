"""Whether a PostgreSQL that the operator brings can serve MAAS; only looks (maas-facts §7)."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from typing import cast

from agent.bundle import RegionSettings
from agent.database_client import CONNECT_SECONDS, FLAGS, ask
from agent.errors import StepError
from agent.machine import Work
from agent.packaging import RELEASES
from agent.sql import identifier, literal
from agent.typed import read_typed

ANYWHERE = "postgres"
"""Database that is asked where MAAS's own isn't there."""

SECOND = "second session "
"""Before the backend's process id in the answer of a session that runs beside the first."""


@dataclass(frozen=True)
class Server:
    """What the server says of itself, of MAAS's role and of its database."""

    version: int
    """Major version."""
    recovering: bool
    read_only: bool
    max_connections: int
    kept: int
    """Connections that only superusers and roles like them get."""
    others: int
    """Connections of other roles."""
    role_limit: int
    """-1 for none."""
    database_limit: int
    """-1 for none."""
    owner: str
    """Of the database; "" if there is no such database."""
    may_create: bool
    """In the database and in its schema `public`."""
    tls: bool
    backend: int
    """Process that serves the session."""

    @property
    def free(self) -> int:
        """Connections that MAAS's role can have, those counted in that it holds now."""
        limits = [limit for limit in (self.role_limit, self.database_limit) if limit >= 0]
        return min(self.max_connections - self.kept - self.others, *limits, self.max_connections)


def check(work: Work, settings: RegionSettings) -> None:
    """Raises `StepError` with everything that the server lacks, each with what mends it."""
    if not settings.external:
        return
    work.report.step(f"check the PostgreSQL that the operator brings, {_place(settings)}")
    own = _reach(settings)
    done = ask(work, settings, _questions(settings))
    problems = []
    if done.code != 0:
        problems.append(_refusal(settings, own, done.stderr))
        if "does not exist" not in done.stderr:
            raise _unfit(settings, problems)
        done = ask(work, settings, _questions(settings), ANYWHERE)
        if done.code != 0:
            raise _unfit(settings, problems)
    server = _read(done.stdout)
    problems += _lacks(settings, server)
    problems += _second_session(server, done.stdout, done.stderr)
    if problems:
        raise _unfit(settings, problems)
    for advice in _advice(settings, server):
        work.report.say(f"advice: {advice}")


def unreachable(settings: RegionSettings) -> str:
    """Why the operator's server can't be reached from here, "" if it can or is none; says nothing of its content."""
    try:
        if settings.external:
            _reach(settings)
    except StepError as error:
        return error.cause
    return ""


def _place(settings: RegionSettings) -> str:
    host = f"[{settings.database_host}]" if ":" in settings.database_host else settings.database_host
    return f"{host}:{settings.database_port}"


def _reach(settings: RegionSettings) -> str:
    """The address by which this host reaches the server. Raises `StepError` if nothing accepts connections there."""
    try:
        with socket.create_connection((settings.database_host, settings.database_port), CONNECT_SECONDS) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise StepError(
            f"PostgreSQL at {_place(settings)} can't be reached from here ({error.strerror or error}): does it run, do"
            " its listen_addresses hold that address, does a firewall let this host through?"
        ) from None


def _unfit(settings: RegionSettings, problems: list[str]) -> StepError:
    head = f"PostgreSQL at {_place(settings)} can't serve MAAS yet; nothing was touched:"
    return StepError("\n".join([head, *problems]))


def _questions(settings: RegionSettings) -> str:
    """One query, and beside its session a second one, which must not share its backend process."""
    database = literal(settings.database)
    second = f"psql {' '.join(FLAGS)} -c \"SELECT '{SECOND}' || pg_backend_pid()\""
    return f"""
        SELECT json_build_object(
            'version', current_setting('server_version_num')::int / 10000,
            'recovering', pg_is_in_recovery(),
            'read_only', current_setting('default_transaction_read_only')::bool,
            'max_connections', current_setting('max_connections')::int,
            'kept', current_setting('superuser_reserved_connections')::int
                + coalesce(current_setting('reserved_connections', true)::int, 0),
            'others', (SELECT count(*) FROM pg_stat_activity
                WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND usename <> current_user),
            'role_limit', (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
            'database_limit', coalesce((SELECT datconnlimit FROM pg_database WHERE datname = {database}), -1),
            'owner', coalesce((SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {database}), ''),
            'may_create', coalesce((SELECT has_database_privilege(oid, 'CREATE') FROM pg_database
                WHERE datname = {database}), false)
                AND coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace
                WHERE nspname = 'public'), true),
            'tls', coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
            'backend', pg_backend_pid());
        \\! {second}
        """  # noqa: S608 - quoted by `literal`


def _read(answer: str) -> Server:
    line = next((line for line in answer.splitlines() if line.startswith("{")), "")
    try:
        return cast(Server, read_typed(Server, json.loads(line), "server"))
    except ValueError:  # no JSON, or other fields
        raise StepError("what answers is no PostgreSQL: name the server itself as `external`") from None


def _refusal(settings: RegionSettings, own: str, said: str) -> str:
    """Why psql could not ask, and what mends it."""
    role, database = identifier(settings.role), identifier(settings.database)
    line = f"host {settings.database} {settings.role} {own}/{128 if ':' in own else 32} scram-sha-256"
    known = (
        # First: a server that takes only TLS refuses libpq's second attempt, which is without, by pg_hba.conf.
        (
            "password authentication failed",
            f"the password of role {settings.role} is another one, or there is no such role:"
            f" `pulumi config set --secret databasePassword`, or there: CREATE ROLE {role} LOGIN PASSWORD '…'",
        ),
        (
            "no pg_hba.conf entry",
            f"its pg_hba.conf doesn't let {own} in: add `{line}`, then: SELECT pg_reload_conf()",
        ),
        ("is not permitted to log in", f"role {settings.role} may not log in: ALTER ROLE {role} LOGIN"),
        (
            f'database "{settings.database}" does not exist',
            f"there is no database {settings.database}: CREATE DATABASE {database} OWNER {role}",
        ),
        (
            "does not have CONNECT privilege",
            f"role {settings.role} may not connect: GRANT CONNECT ON DATABASE {database} TO {role}",
        ),
        (
            "too many connections for role",
            f"role {settings.role} gets no connection: ALTER ROLE {role} CONNECTION LIMIT -1",
        ),
        (
            "too many connections for database",
            f"database {settings.database} gets no connection: ALTER DATABASE {database} CONNECTION LIMIT -1",
        ),
        (
            "connection slots|too many clients",
            f"it has no connection left, and MAAS needs {settings.connections}: raise max_connections, then restart it",
        ),
    )
    for pattern, remedy in known:
        if re.search(pattern, said):
            return remedy
    return next((text.strip() for text in reversed(said.splitlines()) if text.strip()), "psql failed without a word")


def _lacks(settings: RegionSettings, server: Server) -> list[str]:
    role, database = identifier(settings.role), identifier(settings.database)
    found = []
    if server.version < settings.min_postgres:
        wanted = f"MAAS {settings.maas_version} needs {settings.min_postgres} or newer"
        found.append(f"it is PostgreSQL {server.version}, and {wanted}")
    if server.recovering:
        found.append("it is a standby and takes no writes: name the primary, or an address that follows it")
    elif server.read_only:
        found.append(
            f"transactions are read-only: ALTER DATABASE {database} SET default_transaction_read_only = off"
            " (or its role's or the server's setting)"
        )
    if server.owner and server.owner != settings.role and _needs_owner(settings):
        found.append(
            f"database {settings.database} belongs to {server.owner}: ALTER DATABASE {database} OWNER TO {role}"
        )
    elif server.owner and not server.may_create:
        found.append(
            f"role {settings.role} may not create in database {settings.database} or its schema public:"
            f" ALTER DATABASE {database} OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}"
        )
    if server.free < settings.connections:
        found.append(_too_few(settings, server))
    return found


def _needs_owner(settings: RegionSettings) -> bool:
    return RELEASES[settings.maas_version].must_own_database


def _too_few(settings: RegionSettings, server: Server) -> str:
    left = f"MAAS needs {settings.connections} connections and can have {server.free}"
    role, database = identifier(settings.role), identifier(settings.database)
    if server.role_limit == server.free:
        return f"{left}: ALTER ROLE {role} CONNECTION LIMIT -1"
    if server.database_limit == server.free:
        return f"{left}: ALTER DATABASE {database} CONNECTION LIMIT -1"
    wanted = settings.connections + server.kept + server.others
    return (
        f"{left} (max_connections {server.max_connections}, {server.kept} kept for superusers, {server.others} in use"
        f" by others): ALTER SYSTEM SET max_connections = {wanted}, then restart it"
    )


def _second_session(server: Server, answer: str, errors: str) -> list[str]:
    """MAAS holds advisory locks and LISTENs: a session must keep its backend while others come."""
    second = re.search(rf"^{SECOND}(\d+)$", answer, re.MULTILINE)
    if second is None:
        complaint = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "no answer")
        return [f"a second connection beside the first is refused: {complaint}"]
    if int(second[1]) == server.backend:
        return [
            "two sessions share one backend process, as through pgbouncer with pool_mode = transaction: MAAS needs"
            " advisory locks and LISTEN, so name the server itself or use pool_mode = session"
        ]
    return []


def _advice(settings: RegionSettings, server: Server) -> list[str]:
    found = []
    if not server.tls:
        found.append("connections to the database aren't encrypted: set ssl = on there; MAAS then uses it by itself")
    if server.owner != settings.role:
        found.append(f"database {settings.database} belongs to {server.owner}; MAAS 3.5 will want {settings.role}")
    return found
