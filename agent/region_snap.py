"""A region controller from the snap: `maas init` once, `maas config` for changes (maas-facts §1.1)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import quote

from agent import disk
from agent.bundle import Effect, File, RegionSettings, fill_markers
from agent.changes import Change, put_now
from agent.errors import StepError
from agent.identity import forget_identity
from agent.machine import Work
from agent.packaging import PACKAGINGS, SNAP, snap_unit
from agent.region_conf import changed_keys, database_of, keys_of
from agent.snap_mode import SnapMode
from agent.snaps import Snaps

MODE = "region"
INIT_TIMEOUT = 1800.0
"""Seconds for `maas init` or `maas migrate`, which make the schema: 36–45 s were seen by deb on an empty database."""
CONFIG_TIMEOUT = 600.0
"""Seconds for `maas config`, which restarts regiond; stopping it took up to 117 s (maas-facts §0a)."""
OPTIONS = {"maas_url": "--maas-url", "num_workers": "--num-workers"}
"""What `maas config` can change of a region; everything else stands in the file alone."""


class SnapRegion:
    """The snap `maas` in the mode `region`."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self.unit = snap_unit(settings.maas_version)
        self._work = work
        self._settings = settings
        self._command = PACKAGINGS[SNAP.name].region_cli
        self._mode = SnapMode(work, MODE, self.unit)
        self._uninitialised = False

    def prepare(self) -> None:
        """Refuse a snap that serves something else already: `maas init` would destroy that (maas-facts §1.1).

        Raises `StepError`.
        """
        mode = self._mode.refuse_other()
        conf = self._conf.read_text() if self._conf.exists() else ""
        self._uninitialised = not mode or (self._work.record is None and not conf)
        if self._uninitialised or self._work.record:
            return
        here, ours = database_of(keys_of(conf)), database_of(keys_of(self._wanted_text()))
        if here != ours:
            raise StepError(
                f"the snap maas on this host is a region on the database {here}, not on {ours}: take it out of that"
                " MAAS, then run `snap remove --purge maas` here"
            )

    def version(self) -> str:
        """The snap's version. Raises `StepError` if it isn't there."""
        snap = Snaps(self._work.paths, self._work.commands, self._work.report).maas()
        if snap is None:
            raise StepError("this host has no snap maas")
        return snap.version

    def is_serving(self) -> bool:
        """True if the snap has a mode and its unit, which runs without one too, is active."""
        return bool(self._mode.read()) and self._work.units.state(self.unit).active

    def stop(self) -> None:
        """Stop the whole snap, if it serves."""
        if self._mode.read():
            self._work.units.stop([self.unit])

    def migrate(self, *, empty: bool) -> None:
        """`maas init` makes the schema in a database without tables and never touches another (maas-facts §1.1)."""
        if self._uninitialised:
            self._initialise()
            if empty:
                return
            self.stop()
        self._work.report.step("maas migrate")
        done = self._work.commands.run(
            self._command, "migrate", timeout=INIT_TIMEOUT, check=False, hold_lock=True, detached=True
        )
        if done.code != 0:
            raise StepError(f"maas migrate failed (exit {done.code}): {done.complaint}", unit=self.unit)

    def set_up(self) -> None:
        """Give the snap its mode, or tell it the settings that it has a command for."""
        if self._uninitialised:
            self._initialise()
        elif change := self._change():
            self._configure(change)

    def missing(self) -> str:
        """All services are in the one unit."""
        return ""

    def roll_back(self) -> None:
        """No mode again, if it came just now."""
        self._mode.roll_back()

    def stop_for_good(self) -> None:
        """Stop the whole snap."""
        self._work.units.stop([self.unit])

    def removed(self) -> None:
        """No identity and no mode."""
        forget_identity(self._work, SNAP)
        self._work.paths.at(SNAP.secret).unlink(missing_ok=True)
        self._mode.removed(CONFIG_TIMEOUT)

    def _initialise(self) -> None:
        """`maas init region`; what its `--force` destroys isn't there (see `prepare`)."""
        keys = keys_of(self._wanted_text())
        flags = [part for key, option in OPTIONS.items() for part in (option, keys[key])]
        self._mode.initialise(*flags, answer=self._database_uri(), timeout=INIT_TIMEOUT)
        self._uninitialised = False
        self._put_own_text(keys_of(self._conf.read_text()))

    def _configure(self, change: Change) -> None:
        """`maas config`, where that is all that changes. It compares with the file, so it must find the one before."""
        old, new = keys_of(disk.kept(self._conf).read_text()), keys_of(self._wanted_text())
        asked = changed_keys(old, new)
        if not asked or asked - OPTIONS.keys():
            return
        work = self._work
        work.report.step("maas config")
        work.units.announce("restart", self.unit, work.units.state(self.unit))
        disk.copy_aside(disk.kept(self._conf), self._conf)
        flags = [part for key in OPTIONS if key in asked for part in (OPTIONS[key], new[key])]
        done = work.commands.run(
            *(self._command, "config", *flags), timeout=CONFIG_TIMEOUT, check=False, hold_lock=True
        )
        if done.code != 0:
            raise StepError(f"maas config failed (exit {done.code}): {done.complaint}", unit=self.unit)
        self._put_own_text(keys_of(self._conf.read_text()))

    def _put_own_text(self, serving: dict[str, str]) -> None:
        """Our text in place of what MAAS wrote (readable for all, §2); a restart only where that had other values."""
        change = put_now(self._work.paths, self._file, self._work.bundle.secrets)
        ours = keys_of(self._wanted_text())
        effect = Effect.RESTART if any(serving.get(key) != value for key, value in ours.items()) else Effect.NOTHING
        others = [known for known in self._work.changes if known.path != change.path]
        self._work.changes = [dataclasses.replace(change, effect=effect), *others]

    def _database_uri(self) -> str:
        settings, password = self._settings, self._work.secret("database_password")
        host = f"[{settings.database_host}]" if ":" in settings.database_host else settings.database_host
        user = f"{quote(settings.role, safe='')}:{quote(password, safe='')}"
        return f"postgres://{user}@{host}:{settings.database_port}/{quote(settings.database, safe='')}"

    @property
    def _conf(self) -> Path:
        return self._work.paths.at(SNAP.regiond_conf)

    @property
    def _file(self) -> File:
        return next(file for file in self._work.bundle.files if file.path == SNAP.regiond_conf)

    def _wanted_text(self) -> str:
        return fill_markers(self._file.content, self._work.bundle.secrets)

    def _change(self) -> Change | None:
        """Of regiond.conf, if this transaction replaced one that was there."""
        found = next((c for c in self._work.changes if c.path == SNAP.regiond_conf), None)
        return found if found and found.effect is not Effect.NOTHING and disk.exists(disk.kept(self._conf)) else None
