"""psql over the network as MAAS's role."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent import disk
from agent.bundle import RegionSettings
from agent.commands import Completed
from agent.machine import Work
from agent.sql import pgpass_field

CONNECT_SECONDS = 10
QUERY_SECONDS = 60.0
FLAGS = ("-X", "-q", "-At", "-w", "-v", "ON_ERROR_STOP=1")


def ask(work: Work, settings: RegionSettings, script: str, database: str = "") -> Completed:
    """Run `script` in `database`, MAAS's own by default; a psql that the script starts connects to the same place.

    The password is briefly in a file of root's alone, never in an argument or the environment.
    """
    host, port, database = settings.database_host, str(settings.database_port), database or settings.database
    fields = (host, port, database, settings.role, work.secret("database_password"))
    with tempfile.TemporaryDirectory(prefix="pgpass-", dir=work.paths.state) as folder:
        passfile = Path(folder) / "pgpass"
        disk.write_new(passfile, (":".join(map(pgpass_field, fields)) + "\n").encode(), 0, 0, 0o600)
        environment = {
            "PGHOST": host,
            "PGPORT": port,
            "PGUSER": settings.role,
            "PGDATABASE": database,
            "PGPASSFILE": str(passfile),
            "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
        }
        return work.commands.run("psql", *FLAGS, stdin=script, env=environment, timeout=QUERY_SECONDS, check=False)
