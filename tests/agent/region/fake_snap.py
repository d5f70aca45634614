"""A host with the snap maas and its commands, as strict as maas-facts §1.1 says."""

from __future__ import annotations

from pathlib import Path

from agent.bundle import Bundle, Effect, File, RegionSettings
from agent.packaging import SNAP, SNAP_MODE
from tests.agent.fake_maas import KEY
from tests.agent.region.fake_region import SECRET, Controller

UNIT = "snap.maas.supervisor.service"
CONF = SNAP.regiond_conf
PASSWORD = "db:pw/@%1"

MAAS = r"""#!@PYTHON@
import pathlib, sys
from urllib.parse import unquote, urlsplit
root, home = pathlib.Path("@ROOT@"), pathlib.Path("@HOME@")
mode_file, conf = root / "@MODE@", root / "@CONF@"
words = sys.argv[1:]
with open(home / "maas.log", "a") as log:
    log.write(" ".join(words) + "\n")

def load():
    lines = conf.read_text().splitlines() if conf.exists() else []
    return dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))

def save(values):
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text("".join(f"{key}: {value}\n" for key, value in sorted(values.items())))
    conf.chmod(0o644)

def options(words):
    values = {name: value for name, value in zip(words, words[1:]) if name.startswith("--") and name != "--force"}
    return {name[2:].replace("-", "_"): value for name, value in values.items()}

def read_input():
    while True:  # the prompt spins at end of input
        try:
            return input("Database URI: ")
        except EOFError:
            print()

command = words[0]
if command == "init":
    assert words[1] == "region" and "--force" in words and "--database-uri" not in words, words
    uri = read_input()
    while not uri.startswith("postgres://"):
        uri = read_input()
    parts = urlsplit(uri)
    (home / "uri").write_text(uri)
    mode_file.unlink(missing_ok=True)
    kept = {} if (home / "init-forgets").exists() else load()
    said = {"database_host": parts.hostname, "database_port": parts.port, "database_name": parts.path[1:]}
    said |= {"database_user": parts.username, "database_pass": unquote(parts.password)}
    save(kept | options(words) | said)
    if (home / "init-fails").exists():
        sys.exit("django.db.utils.OperationalError: the migration fails")
    (home / "has-schema").touch()
    mode_file.parent.mkdir(parents=True, exist_ok=True)
    mode_file.write_text("region")
    data = root / "@DATA@"
    data.mkdir(parents=True, exist_ok=True)
    (data / "maas_id").write_text("rrr")
    (data / "secret").write_text("@SECRET@")
elif command == "config":
    wanted = options(words)
    if any(load().get(key) != value for key, value in wanted.items()):
        save(load() | wanted)
        (home / "config-restarts").write_text(repr(wanted))
elif command == "migrate":
    (home / "has-schema").touch()
elif command == "apikey":
    print((home / "key").read_text())
"""

SNAP_LIST = r"""#!/bin/sh
echo "Name  Version  Rev  Tracking  Publisher  Notes"
echo "maas  $(cat '@HOME@/version')  1  3.4/stable  canonical**  held"
"""


class SnapHost(Controller):
    """Its daemon is active before `maas init` too, with nothing to run."""

    def prepare(self) -> Path:
        """Put the snap in place; the path of its command."""
        machine = self.machine
        machine.unit(UNIT, "enabled active")
        machine.program("snap", self.text(SNAP_LIST))
        (self.home / "key").write_text(KEY)
        (machine.root / "var/snap/maas/current").mkdir(parents=True)
        (machine.root / "var/snap/maas/common").mkdir(parents=True)
        machine.write("/usr/bin/snap", "")
        replaced = {"@ROOT@": machine.root, "@MODE@": SNAP_MODE[1:], "@CONF@": CONF[1:], "@DATA@": SNAP.data[1:]}
        text = self.text(MAAS).replace("@SECRET@", SECRET)
        for mark, value in replaced.items():
            text = text.replace(mark, str(value))
        return machine.program("snap-maas", text)

    def told(self) -> list[str]:
        """What the snap's command was told since the last time."""
        log = self.home / "maas.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def snap_bundle(self, *, leader: bool = True, workers: int = 2, host: str = "10.0.0.5", more: str = "") -> Bundle:
        """A region as the program asks for it."""
        settings = RegionSettings(
            leader=leader,
            workers=workers,
            database_host=host,
            database_port=5432,
            database="maasdb",
            role="maas",
            admin_username="admin",
            admin_email="admin@example.com",
            api_urls=(self.maas.url,),
            packaging="snap",
        )
        content = (
            f"# Written by maas-ha.\n{more}database_host: {host}\ndatabase_name: maasdb\n"
            'database_pass: "<<secret:database_password>>"\ndatabase_port: 5432\ndatabase_user: maas\n'
            f"maas_url: http://10.0.0.4/MAAS\nnum_workers: {workers}\n"
        )
        file = File(CONF, content, mode=0o640, effect=Effect.RESTART, units=(UNIT,))
        secrets = {"database_password": PASSWORD} | ({"admin_password": "adminpw9"} if leader else {"api_key": KEY})
        return Bundle("h1", "region-1", settings, files=(file,), units=(UNIT,), secrets=secrets)
