"""A rack from the snap: `maas init rack` once, then its files (maas-facts §1.1)."""

from __future__ import annotations

import dataclasses

from agent import disk
from agent.bundle import Effect, RackSettings
from agent.changes import is_in_place, wanted
from agent.errors import StepError
from agent.machine import Work
from agent.packaging import SNAP, SNAP_MODE, snap_unit
from agent.snaps import COMMAND

MODE = "rack"
INIT_TIMEOUT = 600.0
"""Seconds for `maas init`, which restarts all services; at the end of its input it would ask for ever."""


class SnapRack:
    """The snap `maas` in the mode `rack`.

    `init` comes once, where there is no mode: each run deletes certificates, writes rackd.conf with a single URL and
    restarts everything. What changes later is written by us, for `maas config` takes one URL and shows the secret in
    its arguments.
    """

    def __init__(self, work: Work, settings: RackSettings) -> None:
        self.unit = snap_unit(settings.maas_version)
        self._work = work
        self._url = settings.api_urls[0]
        self._initialised_now = False

    def prepare(self) -> None:
        """Refuse a snap that serves something else: `init --force` would destroy that. Raises `StepError`."""
        mode = self._mode()
        if mode not in ("", MODE):
            raise StepError(
                f"the snap maas on this host is in mode {mode!r}, and one snap can't also be a rack of its own: move"
                " the rack to another host, or run `snap remove --purge maas` here"
            )

    def before_units(self) -> None:
        """Give the snap its mode, then our files in place of what that wrote. Raises `StepError`."""
        if self._mode():
            return
        work = self._work
        work.report.step("maas init rack")
        work.units.announce("restart", self.unit, work.units.state(self.unit))
        self._initialised_now = True
        done = work.commands.run(
            *(COMMAND, "init", MODE, "--maas-url", self._first_url(), "--force"),
            stdin=f"{work.secret('shared_secret')}\n",  # the answer to its one question: arguments are for everybody
            timeout=INIT_TIMEOUT,
            check=False,
            hold_lock=True,
            detached=True,
        )
        if done.code != 0:
            raise StepError(f"maas init rack failed (exit {done.code}): {done.complaint}", unit=self.unit)
        if self._mode() != MODE:
            raise StepError(f"maas init rack ended without error, but the snap's mode is {self._mode() or 'none'}")
        self._put_own_files()

    def roll_back(self) -> None:
        """No mode again, if it came just now; the journal has the unit restarted, so that nothing runs then."""
        if self._initialised_now:
            self._forget_mode()

    def removed(self) -> None:
        """No mode, and the unit as it is after the snap's installation: active, with nothing to run."""
        self._forget_mode()
        self._work.commands.run("systemctl", "start", self.unit, check=False, timeout=INIT_TIMEOUT)

    def _put_own_files(self) -> None:
        """All URLs again, owner and mode; rackd runs with the first of them and our secret already."""
        for file in self._work.bundle.files:
            change = wanted(file, self._work.bundle.secrets)
            assert change.content is not None  # noqa: S101 - `wanted` makes nothing else
            target = self._work.paths.at(change.path)
            if not is_in_place(self._work.paths, change):
                disk.write_new(disk.staged(target), change.content, change.uid, change.gid, change.mode)
                disk.staged(target).rename(target)
                disk.sync_folder(target.parent)
        quiet = {file.path for file in self._work.bundle.files}
        self._work.changes = [
            dataclasses.replace(change, effect=Effect.NOTHING) if change.path in quiet else change
            for change in self._work.changes
        ]

    def _first_url(self) -> str:
        """As in rackd.conf: http, also where MAAS has TLS."""
        conf = next(file for file in self._work.bundle.files if file.path == SNAP.rackd_conf)
        return conf.felt or self._url

    def _mode(self) -> str:
        try:
            return self._work.paths.at(SNAP_MODE).read_text().strip()
        except FileNotFoundError:
            return ""

    def _forget_mode(self) -> None:
        self._work.paths.at(SNAP_MODE).unlink(missing_ok=True)
