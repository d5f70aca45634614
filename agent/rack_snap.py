"""A rack from the snap: `maas init rack` once, then its files (maas-facts §1.1)."""

from __future__ import annotations

import dataclasses

from agent.bundle import Effect, RackSettings
from agent.changes import put_now
from agent.machine import Work
from agent.packaging import SNAP, snap_unit
from agent.snap_mode import SnapMode

MODE = "rack"
INIT_TIMEOUT = 600.0
"""Seconds for `maas init`, which restarts all services."""


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
        self._mode = SnapMode(work, MODE, self.unit)

    def prepare(self) -> None:
        """Refuse a snap that serves something else. Raises `StepError`."""
        self._mode.refuse_other()

    def before_units(self) -> None:
        """Give the snap its mode, then our files in place of what that wrote. Raises `StepError`."""
        if self._mode.read():
            return
        secret = self._work.secret("shared_secret")
        self._mode.initialise("--maas-url", self._first_url(), answer=secret, timeout=INIT_TIMEOUT)
        self._put_own_files()

    def roll_back(self) -> None:
        """No mode again, if it came just now."""
        self._mode.roll_back()

    def removed(self) -> None:
        """No mode."""
        self._mode.removed(INIT_TIMEOUT)

    def _put_own_files(self) -> None:
        """All URLs again, owner and mode; rackd runs with the first of them and our secret already."""
        for file in self._work.bundle.files:
            put_now(self._work.paths, file, self._work.bundle.secrets)
        quiet = {file.path for file in self._work.bundle.files}
        self._work.changes = [
            dataclasses.replace(change, effect=Effect.NOTHING) if change.path in quiet else change
            for change in self._work.changes
        ]

    def _first_url(self) -> str:
        """As in rackd.conf: http, also where MAAS has TLS."""
        conf = next(file for file in self._work.bundle.files if file.path == SNAP.rackd_conf)
        return conf.felt or self._url
