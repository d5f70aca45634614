"""What the processes of one regiond share: configuration, knobs, identity."""

import logging
import socket
from dataclasses import dataclass

import psycopg2
import psycopg2.extensions

from . import config, db, knobs, net, nodes, oauth, shared_secret
from .config import RegionConfig
from .db import Cursor
from .knobs import Knobs
from .paths import Paths, read_text, write_atomically

log = logging.getLogger("maasserver.start_up")

NO_ID = "NO_ID"
"""In connection names until the host has a maas_id (maas-facts §0a, row 7)."""
STARTUP_LOCK = 20120109
"""Advisory lock around start-up: two first starts at once are safe (maas-facts §0a, row 3)."""

IMPROPERLY_CONFIGURED = "settings.DATABASES is improperly configured. Please supply the ENGINE value."
"""All the log says about a regiond.conf that regiond can't read (maas-facts §0a, row 2)."""


class StartError(Exception):
    """A reason to try again later, with the line to log."""


@dataclass(frozen=True)
class Host:
    """This host's region, before or after it has an identity."""

    config: RegionConfig
    knobs: Knobs
    paths: Paths
    application_name: str
    """Of PostgreSQL connections: `maas-regiond-<maas_id>` with the id at the process's start (maas-facts §7)."""

    def listener(self, *channels: str) -> psycopg2.extensions.connection:
        """The tenth connection: it LISTENs, in autocommit. Raises psycopg2.OperationalError."""
        connection = db.connect(self.config, self.application_name)
        connection.set_session(isolation_level=psycopg2.extensions.ISOLATION_LEVEL_READ_COMMITTED, autocommit=True)
        with db.cursor(connection) as cur:
            for channel in channels:
                cur.execute(f"LISTEN {channel}")
        return connection


def read_host(paths: Paths) -> Host:
    """Read the configuration. Raises StartError as MAAS fails: without saying why."""
    try:
        settings = config.read_region_for_server(paths.regiond_conf)
    except (OSError, config.Invalid, TypeError) as error:
        raise StartError(IMPROPERLY_CONFIGURED) from error
    name = f"maas-regiond-{read_text(paths.maas_id) or NO_ID}"
    return Host(settings, knobs.read(paths.standin_conf), paths, name)


def hostname() -> str:
    """The host's name, possibly with a domain."""
    return socket.gethostname()


def start_up(cur: Cursor, host: Host) -> str:
    """The master's start in one transaction: secret, identity, registration, URL; returns the system_id."""
    cur.execute("SELECT pg_advisory_xact_lock(%s)", (STARTUP_LOCK,))
    secret = shared_secret.ensure_in_database(cur, shared_secret.RPC_SECRET)
    shared_secret.ensure_in_database(cur, shared_secret.OMAPI_KEY)
    system_id = nodes.register_region(cur, hostname(), net.interfaces())
    uuid = _ensure_uuid(cur)
    # The region that starts last decides on everybody's URL (maas-facts §2).
    cur.execute(
        "INSERT INTO maasserver_config (name, value) VALUES ('maas_url', to_jsonb(%s::text))"
        " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
        (host.config.maas_url,),
    )
    shared_secret.write(host.paths, secret)
    write_atomically(host.paths.maas_id, system_id)
    write_atomically(host.paths.maas_uuid, uuid)
    return system_id


def _ensure_uuid(cur: Cursor) -> str:
    cur.execute(
        "INSERT INTO maasserver_config (name, value) VALUES ('uuid', to_jsonb(gen_random_uuid()::text))"
        " ON CONFLICT DO NOTHING"
    )
    cur.execute("SELECT value FROM maasserver_config WHERE name = 'uuid'")
    row = db.one(cur)
    return str(row["value"])


def try_start_up(host: Host) -> str:
    """`start_up` on a connection of its own. Raises StartError for whatever may pass with time."""
    try:
        connection = db.connect(host.config, host.application_name)
    except psycopg2.OperationalError as error:
        raise StartError(str(error).strip()) from error
    try:
        with connection, db.cursor(connection) as cur:
            system_id = start_up(cur, host)
            oauth.forget_nonces(cur)
            return system_id
    except (psycopg2.Error, nodes.MultipleObjectsError) as error:
        raise StartError(f"Error during start-up: {str(error).strip()}") from error
    finally:
        connection.close()


def endpoint_addresses(port: int) -> list[tuple[str, int]]:
    """Where racks can dial a process that listens on `port`."""
    return [(address, port) for address in net.addresses()]
