"""A dump of MAAS's database on this host, before its schema is migrated: checked, root's alone, never deleted."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from agent import disk
from agent.bundle import RegionSettings
from agent.database_client import ask, run_client
from agent.errors import StepError
from agent.machine import Work

FOLDER = "/var/backups/maas-ha"
"""Not the agent's own folder, which goes with the host's last component."""
PART = ".part"
TIMEOUT = 900.0
"""Seconds for a dump; MAAS is away meanwhile."""
CHECK_TIMEOUT = 120.0
NEEDS = "SELECT pg_database_size(current_database()) || ' ' || current_setting('server_version_num');\n"
NUMBER = re.compile(r"(\d+)\.")


class Dump:
    """Of the database of one region."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self._work = work
        self._settings = settings
        self._folder = work.paths.at(FOLDER)

    def refuse(self) -> None:
        """Raises `StepError` where a dump couldn't be made: no room, or a pg_dump that is older than the server."""
        answer = ask(self._work, self._settings, NEEDS)
        if answer.code != 0:
            raise StepError(f"the database can't be dumped: {answer.complaint}")
        size, server = map(int, answer.stdout.split())
        found = NUMBER.search(self._work.commands.run("pg_dump", "--version").stdout)
        client = int(found[1]) if found else 0
        if client < server // 10000:
            raise StepError(
                f"pg_dump on this host is of PostgreSQL {client}, the database of {server // 10000}: it can't be"
                f" dumped; install postgresql-client-{server // 10000} here, then apply again"
            )
        free = shutil.disk_usage(self._work.paths.at("/var")).free
        if free < size:
            raise StepError(
                f"/var has {free >> 20} MiB free, and the database has {size >> 20} MiB: make room for a dump in"
                f" {FOLDER}, then apply again"
            )

    def take(self, name: str) -> str:
        """Path of a new dump called after `name`, complete and readable by pg_restore. Raises `StepError`."""
        work, settings = self._work, self._settings
        work.report.step("dump the database")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.glob(f"*{PART}"):  # of an agent that was killed
            left.unlink()
        final = self._free(f"{settings.database}-{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        part = final.with_name(final.name + PART)
        disk.write_new(part, b"", 0, 0, 0o600)
        done = run_client(work, settings, "pg_dump", "--format=custom", f"--file={part}", timeout=TIMEOUT)
        if done.code != 0:
            part.unlink()
            raise StepError(f"pg_dump failed (exit {done.code}): {done.complaint}")
        listed = work.commands.run("pg_restore", "--list", str(part), timeout=CHECK_TIMEOUT, check=False)
        if listed.code != 0 or " TABLE DATA " not in listed.stdout:
            part.unlink()
            raise StepError(f"the dump can't be read back: {listed.complaint if listed.code else 'no table is in it'}")
        disk.keep(part, final)
        told = f"{FOLDER}/{final.name}"
        work.report.say(f"the database as it was is in {told}")
        return told

    def _free(self, name: str) -> Path:
        """A path that nothing is at: no dump takes the place of another."""
        paths = [self._folder / f"{name}{suffix}.dump" for suffix in ("", *(f"-{number}" for number in range(2, 100)))]
        return next(path for path in paths if not path.exists())
