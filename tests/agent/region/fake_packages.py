"""apt, dpkg and PostgreSQL's programs on a region's host, for an upgrade; what they did is in one log, in order."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from agent.bundle import Bundle, RegionSettings
from agent.hold import MARK
from agent.upgrade_settings import UpgradeSettings
from tests.agent.region.fake_region import PSQL, UNIT, Controller

OLD, NEW = "1:3.4.10-14366", "1:3.5.10-16453"
DUMPS = "/var/backups/maas-ha"

APT = r"""#!/bin/sh
home='@HOME@'
state=$(cat "$home/units/@UNIT@")
case $* in
    update*) exit 0 ;;
    *--download-only*) echo "download ${state#* }" >>"$home/order"; exit 0 ;;
esac
echo "packages ${state#* }" >>"$home/order"
if [ -e "$home/apt-fails" ]; then echo 'E: no room' >&2; exit 100; fi
cp "$home/offered" "$home/version"
if [ -e "$home/apt-half" ]; then echo 'E: dpkg was cut short' >&2; exit 100; fi
"""
PG_DUMP = r"""#!/bin/sh
home='@HOME@'
if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) $(cat "$home/client")"; exit; fi
test "$(stat -c %a "$PGPASSFILE")" = 600 || exit 9
state=$(cat "$home/units/@UNIT@")
echo "dump ${state#* }" >>"$home/order"
for word; do case $word in --file=*) file=${word#--file=} ;; esac; done
test "$(stat -c %a "$file")" = 600 || exit 9
cat "$home/version" >"$file"
if [ -e "$home/dump-fails" ]; then echo 'pg_dump: error: connection lost' >&2; exit 1; fi
"""
PG_RESTORE = "test -e '@HOME@/dump-bad' || echo '4242; 0 16400 TABLE DATA public auth_user maas'"


class Upgradable:
    """A region of MAAS 3.4 whose apt has 3.5."""

    def __init__(self, controller: Controller, *, leader: bool = True) -> None:
        self.controller, self.leader = controller, leader
        self.machine, self.home = controller.machine, controller.home
        for name, text in {"version": OLD, "offered": NEW, "client": "15.4", "order": ""}.items():
            controller.touch(name, text)
        sizes = r"""    *pg_database_size*) echo '1000 150004' ;;"""
        self._program("psql", PSQL.replace("    *to_regclass*", f"{sizes}\n    *to_regclass*"))
        self._program("apt-get", APT)
        self._program("apt-cache", "printf 'x:\\n  Candidate: %s\\n' \"$(cat '@HOME@/offered')\"")
        self._program("dpkg", "test ! -e '@HOME@/audit' || cat '@HOME@/audit'")
        self._program("pg_dump", PG_DUMP)
        self._program("pg_restore", PG_RESTORE)
        self.machine.hook("condition", UNIT, f"test ! -e '{self.machine.root}{MARK}'")
        (self.machine.root / "var/backups").mkdir()
        controller.maas.racks = {}
        if not leader:
            controller.touch("has-schema")
            controller.touch("users")

    def _program(self, name: str, text: str) -> None:
        self.machine.program(name, self.controller.text(text).replace("@UNIT@", UNIT))

    def deploy(self) -> None:
        """The old version is committed."""
        self.controller.local.apply(self.bundle("3.4"))
        self.deployed()

    def deployed(self) -> None:
        """From now on the host has the units that come with the new version."""
        self.controller.services()
        self.machine.hook("restart", UNIT, (self.home / "hooks" / f"start-{UNIT}").read_text())
        self.machine.calls()
        self.controller.commands()

    def calls(self) -> list[str]:
        """What systemd was told of regiond since the last time."""
        return [call for call in self.machine.calls() if call.endswith(f" {UNIT}")]

    def bundle(self, version: str = "3.5") -> Bundle:
        """The region with this version of MAAS."""
        given = self.controller.bundle(leader=self.leader, content=version)
        assert isinstance(given.settings, RegionSettings)
        return dataclasses.replace(given, settings=dataclasses.replace(given.settings, maas_version=version))

    def step(self, version: str = "3.5", controller: str = "region") -> Bundle:
        """What comes before the first region."""
        return Bundle("h1", "h1-upgrade", UpgradeSettings(controller, version))

    def order(self) -> list[str]:
        """What apt and pg_dump did since the last time, each with regiond's state meanwhile."""
        found = (self.home / "order").read_text().splitlines()
        self.controller.touch("order")
        return found

    @property
    def serves(self) -> bool:
        """True if regiond runs."""
        return self.machine.unit(UNIT).endswith(" active")

    @property
    def is_held(self) -> bool:
        """True if regiond must not start."""
        return (self.machine.root / MARK[1:]).exists()

    def dumps(self) -> list[Path]:
        """What is in the folder of dumps."""
        return sorted((self.machine.root / DUMPS[1:]).glob("*"))
