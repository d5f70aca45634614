"""PostgreSQL: connections, migration, users and their API keys."""

import base64
import hashlib
import secrets
import string
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

from . import knobs, version
from .config import RegionConfig
from .paths import Paths
from .schema import DROP_TRIGGERS, MIGRATIONS, TRIGGERS, VIEWS, Migration

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extras.RealDictCursor
"""Gives each row as a mapping from column name to value."""
Row = Mapping[str, Any]

OLDEST_SERVER = 120000
"""PostgreSQL 12 (maas-facts §0)."""
KEY_ALPHABET = string.ascii_letters + string.digits
MIGRATION_TABLE = """CREATE TABLE IF NOT EXISTS django_migrations (
    id serial PRIMARY KEY, app text NOT NULL, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"""


class AlreadyExistingUser(Exception):  # noqa: N818 - MAAS's own name
    """`createadmin` for a user name or address that is taken (maas-facts §0a, row 1.5)."""


class UnknownUser(Exception):  # noqa: N818 - named with the one above
    """`apikey` for a user that isn't there."""


class UnsupportedServer(Exception):  # noqa: N818 - named with those above
    """The PostgreSQL server is too old for MAAS."""


def connect(config: RegionConfig, application_name: str) -> Connection:
    """One connection, REPEATABLE READ (maas-facts §7). Raises psycopg2.OperationalError."""
    connection = psycopg2.connect(
        host=config.database_host,
        port=config.database_port,
        dbname=config.database_name,
        user=config.database_user,
        password=config.database_pass,
        application_name=application_name,
        keepalives=1,
        keepalives_idle=15,
        keepalives_interval=15,
        keepalives_count=2,
    )
    connection.set_session(isolation_level=psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ)
    return connection


def cursor(connection: Connection) -> Cursor:
    """A cursor that gives rows by column name."""
    return connection.cursor(cursor_factory=Cursor)


def one(cur: Cursor) -> Row:
    """The row of a statement that always gives one."""
    row: Row | None = cur.fetchone()
    if row is None:
        raise LookupError("the statement returned no row")
    return row


def migrate(config: RegionConfig) -> list[str]:
    """`dbupgrade`: bring the schema up to date; names of the migrations applied.

    Every run first drops all views and triggers, each in its own transaction, and makes them again at the end: never
    run it while a regiond runs. Nothing locks it: two at once on an empty database, and one fails with
    psycopg2.errors.DuplicateTable or DuplicateColumn (maas-facts §0a, row 1.2; §1.1).
    """
    times = knobs.read(Paths.here().standin_conf)
    connection = connect(config, "maas-dbupgrade")
    connection.set_session(isolation_level=psycopg2.extensions.ISOLATION_LEVEL_READ_COMMITTED, autocommit=True)
    try:
        if connection.server_version < OLDEST_SERVER:
            raise UnsupportedServer("MAAS requires PostgreSQL 12 or newer.")
        _drop_derived(connection)
        pending = _pending(connection)
        share = times.migrate_s / sum(m.weight for m in MIGRATIONS)
        for migration in pending:
            time.sleep(share * migration.weight)
            _apply(connection, migration)
        if version.MINOR >= (3, 5):
            _temporal_schemas(connection)
        time.sleep(times.views_gone_s)
        with cursor(connection) as cur:
            for statement in (*VIEWS, *TRIGGERS):
                cur.execute(statement)
        return [m.title for m in pending]
    finally:
        connection.close()


def _drop_derived(connection: Connection) -> None:
    with cursor(connection) as cur:
        cur.execute("SELECT viewname AS name FROM pg_views WHERE schemaname = 'public'")
        for view in cur.fetchall():
            cur.execute(f"DROP VIEW IF EXISTS {view['name']}")
        cur.execute(DROP_TRIGGERS)
        for trigger in cur.fetchall():
            cur.execute(f"DROP TRIGGER IF EXISTS {trigger['name']} ON {trigger['relation']}")


def _pending(connection: Connection) -> list[Migration]:
    """The plan is made once, at the start, as Django makes it: that is what lets two runs race."""
    with cursor(connection) as cur:
        cur.execute("SELECT to_regclass('public.django_migrations') IS NOT NULL AS there")
        if not one(cur)["there"]:
            return list(MIGRATIONS)
        cur.execute("SELECT app, name FROM django_migrations")
        applied = {(r["app"], r["name"]) for r in cur.fetchall()}
    return [m for m in MIGRATIONS if (m.app, m.name) not in applied]


def _apply(connection: Connection, migration: Migration) -> None:
    """One migration, in one transaction."""
    with cursor(connection) as cur:
        cur.execute("BEGIN")
        try:
            cur.execute(migration.sql)
            cur.execute(MIGRATION_TABLE)
            cur.execute("INSERT INTO django_migrations (app, name) VALUES (%s, %s)", (migration.app, migration.name))
        except psycopg2.Error:
            cur.execute("ROLLBACK")
            raise
        cur.execute("COMMIT")


def _temporal_schemas(connection: Connection) -> None:
    """MAAS ≥ 3.5 needs CREATE on the database (maas-facts §7). Raises psycopg2.errors.InsufficientPrivilege."""
    with cursor(connection) as cur:
        for schema in ("temporal", "temporal_visibility"):
            cur.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")


def create_admin(conn: Connection, username: str, password: str, email: str) -> None:
    """A superuser with one API key. Raises AlreadyExistingUser, with MAAS's text."""
    try:
        with conn, cursor(conn) as cur:
            cur.execute(
                "INSERT INTO auth_user (username, email, password, is_superuser)"
                " VALUES (%s, %s, %s, true) RETURNING id",
                (username, email, _hash(password)),
            )
            user = one(cur)["id"]
            cur.execute("INSERT INTO maasserver_userprofile (user_id) VALUES (%s)", (user,))
            _create_token(cur, user)
    except psycopg2.errors.UniqueViolation:
        # The same text whether the address or the name is taken (maas-facts §1.5).
        raise AlreadyExistingUser(f"A user with the email {email} already exists.") from None


def api_keys(conn: Connection, username: str) -> list[str]:
    """The user's keys, oldest first, as `consumer:token:secret`. Raises UnknownUser."""
    with conn, cursor(conn) as cur:
        return _keys(cur, _user_id(cur, username))


def generate_api_key(conn: Connection, username: str) -> str:
    """One more key for the user, each time. Raises UnknownUser."""
    with conn, cursor(conn) as cur:
        user = _user_id(cur, username)
        _create_token(cur, user)
        return _keys(cur, user)[-1]


def _keys(cur: Cursor, user: int) -> list[str]:
    cur.execute(
        "SELECT c.key AS consumer, t.key AS token, t.secret FROM piston3_token t"
        " JOIN piston3_consumer c ON c.id = t.consumer_id WHERE t.user_id = %s ORDER BY t.id",
        (user,),
    )
    return [f"{r['consumer']}:{r['token']}:{r['secret']}" for r in cur.fetchall()]


def _create_token(cur: Cursor, user: int) -> None:
    cur.execute(
        "INSERT INTO piston3_consumer (name, key, user_id) VALUES ('MAAS consumer', %s, %s) RETURNING id",
        (_random(18), user),
    )
    cur.execute(
        "INSERT INTO piston3_token (key, secret, user_id, consumer_id) VALUES (%s, %s, %s, %s)",
        (_random(18), _random(32), user, one(cur)["id"]),
    )


def _user_id(cur: Cursor, username: str) -> int:
    cur.execute("SELECT id FROM auth_user WHERE username = %s", (username,))
    row = cur.fetchone()
    if row is None:
        raise UnknownUser("User does not exist.")
    return int(row["id"])


def _random(length: int) -> str:
    return "".join(secrets.choice(KEY_ALPHABET) for _ in range(length))


def _hash(password: str) -> str:
    """Django's own format, PBKDF2 with SHA-256."""
    rounds, salt = 260000, _random(22)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), rounds)
    return f"pbkdf2_sha256${rounds}${salt}${base64.b64encode(digest).decode()}"
