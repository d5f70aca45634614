"""MAAS's schema: when it may be made or migrated, and never under a running regiond (maas-facts §0a, §1.2)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from agent import disk
from agent.bundle import RegionSettings
from agent.database_client import ask
from agent.errors import StepError
from agent.machine import Work
from agent.region_install import Installed

SESSIONS_END = 60.0
"""Seconds until the sessions of a stopped regiond are gone."""
OURS = "(application_name LIKE 'maas-regiond-%' OR application_name LIKE 'maas-temporal%')"


@dataclass(frozen=True)
class Note:
    """What is known here of the last migration; outlives transactions, for a database can't be rolled back."""

    database: str
    version: str
    done: bool
    """False while a migration is under way or was interrupted."""


class Schema:
    """The schema in the database of one region."""

    def __init__(self, work: Work, settings: RegionSettings, installed: Installed) -> None:
        self._work = work
        self._settings = settings
        self._installed = installed
        self._database = f"{settings.database_host}:{settings.database_port}/{settings.database}"

    def require(self) -> None:
        """Raises `StepError` if there is no schema."""
        if not self._exists():
            raise StepError(
                f"the schema is missing in database {self._database}: the first region makes it, apply that before"
            )

    def remember(self) -> None:
        """This version serves with the schema: what a region has to know that becomes the first one later."""
        if self._note() != (now := Note(self._database, self._installed.version(), done=True)):
            self._save(now)

    def migrate_if_needed(self, serving: bool) -> None:
        """Make or migrate the schema if it is missing, of another version, or was left half-done.

        Raises `StepError` if that is needed while a regiond runs elsewhere.
        """
        version = self._installed.version()
        note = self._note()
        current = note == Note(self._database, version, done=True)
        if current and serving and not self._work.changes:
            return
        exists = self._exists()
        if current and exists:
            return
        self._refuse_emptiness(note, exists=exists)
        if others := self.other_sessions():
            known = note is not None and note.database == self._database
            if exists and not known:
                self._work.report.say(f"the schema is there and regions run ({', '.join(others)}): it isn't migrated")
                return
            raise StepError(
                f"the schema must be migrated to {version}, but a regiond runs at {', '.join(others)}, and it is never"
                f" changed under a running one: run `systemctl stop {self._installed.unit}` there, then apply again"
            )
        self._installed.stop()
        self.wait_for_silence()
        self._save(Note(self._database, version, done=False))
        self._installed.migrate(empty=not exists)
        self._save(Note(self._database, version, done=True))

    def other_sessions(self) -> list[str]:
        """Addresses of other hosts whose regiond or Temporal holds sessions."""
        elsewhere = "client_addr IS DISTINCT FROM inet_client_addr()"
        return self._query(
            f"SELECT DISTINCT coalesce(host(client_addr), 'local') FROM pg_stat_activity WHERE {OURS} AND {elsewhere}"  # noqa: S608
        )

    def _refuse_emptiness(self, note: Note | None, *, exists: bool) -> None:
        """Another database, and nothing in it: that would be an empty MAAS in place of the one that is there."""
        if note and note.done and note.database != self._database and not exists:
            raise StepError(
                f"this region has its MAAS in {note.database}, and {self._database} is empty; nothing was touched\n"
                "Put the former `database` back into the stack file, or bring its rows over (pg_dump, pg_restore) and"
                " run `pulumi up` again"
            )

    def wait_for_silence(self) -> None:
        """Wait until no regiond, here or elsewhere, has a session. Raises `StepError`."""

        def missing() -> str:
            sessions = self._query(f"SELECT DISTINCT client_addr FROM pg_stat_activity WHERE {OURS}")  # noqa: S608 - a constant
            return f"sessions from {', '.join(sessions)}" if sessions else ""

        self._work.wait("a database without sessions of regiond", SESSIONS_END, missing)

    def _exists(self) -> bool:
        return self._query("SELECT to_regclass('public.django_migrations') IS NOT NULL") == ["t"]

    def _query(self, sql: str) -> list[str]:
        """Rows of a one-column query over TCP, as MAAS's role. Raises `StepError`."""
        done = ask(self._work, self._settings, f"{sql};\n")
        if done.code != 0:
            raise StepError(f"database {self._database}: {done.complaint}")
        return done.stdout.split()

    def _note(self) -> Note | None:
        try:
            raw = json.loads(self._work.paths.schema.read_text())
            return Note(str(raw["database"]), str(raw["version"]), raw["done"] is True)
        except FileNotFoundError:
            return None

    def _save(self, note: Note) -> None:
        text = {"database": note.database, "version": note.version, "done": note.done, "time": int(time.time())}
        disk.write_private(self._work.paths.schema, json.dumps(text))
