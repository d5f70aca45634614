"""The stack's one PostgreSQL becomes the first of a cluster: Patroni goes on with its data, where they are.

Until the transaction is committed the former server can be started again as it was: its data and its configuration stay
in their places, and Patroni reaches the data by a link. What stays of a failed one is that link, and roles.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agent import disk, scram
from agent.bundle import PostgresSettings
from agent.cluster_settings import PATRONI_UNIT, REPLICATION, REWIND, SUPERUSER, data_folder
from agent.database_client import psql
from agent.errors import StepError
from agent.machine import Machine, Work
from agent.paths import Paths
from agent.records import Records
from agent.sql import identifier, literal

PATRONIS_OWN = (
    "archive_cleanup_command",
    "cluster_name",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "hot_standby",
    "ident_file",
    "listen_addresses",
    "max_connections",
    "password_encryption",
    "port",
    "recovery_target_timeline",
    "ssl",
    "ssl_cert_file",
    "ssl_key_file",
    "stats_temp_directory",
    "superuser_reserved_connections",
    "unix_socket_directories",
    "wal_level",
)
"""Settings that Patroni or the stack file gives; all others of the former server's files go on."""

START_DEADLINE = 120.0
"""Seconds until the server accepts connections after a restart, crash recovery included."""

QUESTIONS = """
    SELECT json_build_object(
        'data', current_setting('data_directory'),
        'identifier', (SELECT system_identifier::text FROM pg_control_system()),
        'settings', (SELECT coalesce(json_object_agg(name, setting), '{}') FROM pg_file_settings
            WHERE applied AND sourcefile NOT LIKE '%/postgresql.auto.conf'));
"""

REWIND_NEEDS = (
    "pg_catalog.pg_ls_dir(text, boolean, boolean)",
    "pg_catalog.pg_stat_file(text, boolean)",
    "pg_catalog.pg_read_binary_file(text)",
    "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
)
"""Functions that pg_rewind calls on the leader (PostgreSQL's documentation of it)."""


@dataclass(frozen=True)
class Former:
    """The stack's one PostgreSQL, as its component left it on this host."""

    component: str
    settings: PostgresSettings

    @property
    def configuration(self) -> str:
        """Debian's folder of its configuration."""
        return f"/etc/postgresql/{self.settings.version}/main"


def former_of(paths: Paths) -> Former | None:
    """The one PostgreSQL of this host's stack, or None."""
    for record in Records(paths).all():
        if isinstance(record.settings, PostgresSettings):
            return Former(record.component, record.settings)
    return None


def is_taken_over(paths: Paths, version: int) -> bool:
    """True if Patroni's data here are those of a PostgreSQL that was there before."""
    return paths.at(data_folder(version)).is_symlink()


class Takeover:
    """The way from a running server to its data under Patroni."""

    def __init__(self, work: Work, former: Former, version: int) -> None:
        self._work = work
        self._former = former
        self._version = version
        self._data = ""
        self._settings: dict[str, str] = {}
        self.identifier = ""
        """PostgreSQL's own name for these data; every copy of them has the same."""

    def prepare(self) -> None:
        """Refuse what can't be taken over. Raises `StepError`."""
        former = self._former
        if former.settings.version != self._version:
            raise StepError(
                f"{former.component} here is PostgreSQL {former.settings.version}; nothing was touched\n"
                f"Write database.version: {former.settings.version}: its data become the cluster's as they are"
            )
        if not self._work.units.state(former.settings.unit).active:
            raise StepError(
                f"{former.settings.unit} doesn't run, and its rows are to become the cluster's; nothing was touched\n"
                f"Start it: `systemctl start {former.settings.unit}`"
            )
        found = json.loads(self._ask(QUESTIONS))
        self._data, self.identifier, self._settings = found["data"], found["identifier"], found["settings"]
        link = self._work.paths.at(data_folder(self._version))
        if disk.exists(link) and not link.is_symlink() and any(link.iterdir()):
            raise StepError(
                f"{link} holds data already, and those of {former.component} are to be the cluster's; nothing was"
                " touched\nMove that folder away if nobody needs it"
            )

    def begin(self) -> None:
        """Make the cluster's roles, stop the former server and lead Patroni to its data. Raises `StepError`."""
        work, former = self._work, self._former
        work.report.step(f"Patroni takes over the data of {former.component}")
        self._ask(self._roles())
        self._write_configuration()
        # In this order an undo stops Patroni before it starts the former server.
        work.units.announce("start", PATRONI_UNIT, work.units.state(PATRONI_UNIT))
        work.makes(f"{self._data}/standby.signal")  # Patroni starts as a replica that then leads
        work.units.stop([former.settings.unit])
        link = work.paths.at(data_folder(self._version))
        if link.is_symlink():
            link.unlink()
        elif disk.exists(link):
            link.rmdir()
        link.symlink_to(self._data)
        disk.sync_folder(link.parent)

    def _ask(self, script: str) -> str:
        done = self._work.commands.run(*psql(self._former.settings), stdin=script, check=False)
        if done.code != 0:
            raise StepError(f"{self._former.component}: {done.complaint}", unit=self._former.settings.unit)
        return done.stdout

    def _roles(self) -> str:
        grants = [f"GRANT EXECUTE ON FUNCTION {function} TO {identifier(REWIND)};\n" for function in REWIND_NEEDS]
        return "".join(
            [
                _made(REPLICATION),
                self._with_password(REPLICATION, "replication_password", "LOGIN REPLICATION"),
                _made(REWIND),
                self._with_password(REWIND, "rewind_password", "LOGIN"),
                *grants,
                self._with_password(SUPERUSER, "superuser_password", ""),
            ]
        )

    def _with_password(self, role: str, secret: str, rights: str) -> str:
        verifier = literal(scram.verifier(self._work.secret(secret)))
        return f"ALTER ROLE {identifier(role)} {rights} PASSWORD {verifier};\n"

    def _write_configuration(self) -> None:
        """What was the former server's own goes on: Patroni includes `postgresql.base.conf` of the data folder."""
        lines = [
            f"{name} = {_value(value)}\n" for name, value in sorted(self._settings.items()) if name not in PATRONIS_OWN
        ]
        head = f"# Written by maas-ha: what was in the files of {self._former.configuration}.\n"
        self._put("postgresql.base.conf", "".join([head, *lines]).encode())
        users = self._work.paths.at(f"{self._former.configuration}/pg_ident.conf")
        self._put("pg_ident.conf", users.read_bytes() if users.exists() else b"")

    def _put(self, name: str, content: bytes) -> None:
        place = self._work.paths.at(f"{self._data}/{name}")
        disk.replace(place, content, disk.user_id("postgres"), disk.group_id("postgres"), 0o600)


def hand_back(machine: Machine, former: Former) -> None:
    """Patroni is gone while the one PostgreSQL is still its stack's: it serves the data again. Raises `StepError`.

    The link goes last: by it a removal that is repeated sees what is left to do.
    """
    machine.report.step(f"start {former.settings.unit}")
    machine.commands.run("systemctl", "start", former.settings.unit, timeout=START_DEADLINE)
    machine.paths.at(data_folder(former.settings.version)).unlink()


def put_away(machine: Machine, former: Former) -> None:
    """The former server's configuration is nobody's any more: Debian's tools would go on listing a server."""
    place = machine.paths.at(former.configuration)
    aside: Path = place.parent.parent / f"former-{former.settings.version}-main"
    if place.is_dir() and not disk.exists(aside):
        place.rename(aside)
        disk.sync_folder(aside.parent)


def _made(role: str) -> str:
    return (
        f"SELECT {literal(f'CREATE ROLE {identifier(role)}')}"  # noqa: S608 - names of this program's own
        f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)}) \\gexec\n"
    )


def _value(text: str) -> str:
    """A string of postgresql.conf, in which a backslash always escapes."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'"
