"""A host with MAAS's region commands, a database, and an API that answers once regiond was started."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from agent.bundle import Bundle, Effect, File, RegionSettings
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas

UNIT = "maas-regiond.service"
SERVICES = ("maas-temporal-worker.service", "maas-apiserver.service", "maas-temporal.service")
SECRET = "0123456789abcdef" * 2

MAAS_REGION = r"""#!@PYTHON@
# maas-region as maas-facts §0a and §1.5 describe it, with its state in files.
import getpass, pathlib, sys
home = pathlib.Path("@HOME@")
with open(home / "maas-region.log", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
command, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
users = home / "users"
if command == "dbupgrade":
    if (home / "dbupgrade-fails").exists():
        sys.exit('relation "django_content_type" already exists')
    (home / "has-schema").touch()
elif command == "apikey":
    if (home / "key-fails").exists():
        sys.exit('django.db.utils.OperationalError: no pg_hba.conf entry for host "10.0.0.2"')
    if not users.exists():
        sys.exit("CommandError: User does not exist.")
    print((home / "key").read_text())
elif command == "createadmin":
    if (home / "email-taken").exists():
        sys.exit(f"AlreadyExistingUser: A user with the email {options['--email']} already exists.")
    if getpass.getpass() != getpass.getpass("Again: "):
        sys.exit("passwords differ")
    while True:  # the prompt for SSH keys spins at end of input
        try:
            if input("Import SSH keys [] (lp:user-id or gh:user-id): ") == "":
                break
        except EOFError:
            print()
    users.touch()
"""

PSQL = r"""#!/bin/sh
# The database: whether it has a schema, and whose sessions it holds.
home='@HOME@'
test "$(stat -c %a "$PGPASSFILE")" = 600 || exit 9
cp "$PGPASSFILE" "$home/pgpass"
sql=$(cat)
case $sql in
    *to_regclass*) if [ -e "$home/has-schema" ]; then echo t; else echo f; fi ;;
    *inet_client_addr*) cat "$home/others" ;;
    *pg_stat_activity*) cat "$home/others" "$home/own" ;;
    *) echo "unexpected: $sql" >&2; exit 1 ;;
esac
"""


class Controller:
    """The host; its regiond starts no process, but leaves what a region has then."""

    def __init__(self, machine: FakeHost, local: Local, maas: FakeMaas) -> None:
        self.machine, self.local, self.maas = machine, local, maas
        self.home = machine.outside
        for name in ("others", "own"):
            (self.home / name).write_text("")
        (self.home / "key").write_text(KEY)
        (self.home / "version").write_text("1:3.4.10")
        machine.program("maas-region", self.text(MAAS_REGION))
        machine.program("psql", self.text(PSQL))
        machine.program("dpkg-query", f'echo "ii  maas-region-api $(cat "{self.home}/version")"')
        machine.unit(UNIT, "enabled inactive")
        self.started = (
            f'echo rrr >"{machine.root}/var/lib/maas/maas_id"; printf {SECRET} >"{machine.root}/var/lib/maas/secret"'
        )
        """Shell text: what regiond leaves when it starts."""
        machine.hook("start", UNIT, self.started)
        machine.write("/var/lib/maas/x", "")
        (machine.root / "proc" / str(os.getpid())).mkdir(parents=True)
        self.listed(2)

    def text(self, text: str) -> str:
        """A program's text with its places put in."""
        return text.replace("@HOME@", str(self.home)).replace("@PYTHON@", sys.executable)

    def listed(self, count: int, *more: str) -> None:
        """How many event loops of living processes this host has in `/MAAS/rpc/`, beside others."""
        host = socket.gethostname()
        for number in range(count):
            (self.machine.root / "proc" / f"{100 + number}").mkdir(exist_ok=True)
        names = [f"{host}:pid={100 + number}" for number in range(count)]
        self.maas.event_loops = dict.fromkeys([*names, *more])

    def services(self) -> None:
        """The units of MAAS 3.5 and later, which regiond starts."""
        started = [self.started]
        for unit in SERVICES:
            self.machine.unit(unit, "disabled inactive")
            started.append(f'echo "enabled active" >"{self.home}/units/{unit}"')
        self.machine.hook("start", UNIT, "\n".join(started))

    def commands(self) -> list[str]:
        """What maas-region was told since the last time."""
        log = self.home / "maas-region.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def touch(self, name: str, text: str = "") -> Path:
        """Set a part of the state."""
        path = self.home / name
        path.write_text(text)
        return path

    def bundle(self, *, leader: bool = True, workers: int = 2, content: str = "a", version: str = "3.4") -> Bundle:
        """A region as the program asks for it."""
        settings = RegionSettings(
            leader=leader,
            workers=workers,
            database_host="10.0.0.5",
            database_port=5432,
            database="maasdb",
            role="maas",
            admin_username="admin",
            admin_email="admin@example.com",
            api_urls=(self.maas.url,),
            maas_version=version,
        )
        secrets = {"database_password": "db:pw\\1"} | ({"admin_password": "adminpw9"} if leader else {"api_key": KEY})
        file = File(
            "/etc/maas/regiond.conf",
            f"database_pass: <<secret:database_password>> {content}",
            effect=Effect.RESTART,
            units=(UNIT,) if version == "3.4" else (UNIT, SERVICES[1], SERVICES[0]),
        )
        return Bundle("h1", "region-1", settings, files=(file,), units=(UNIT,), secrets=secrets)
