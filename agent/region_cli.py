"""MAAS's administrator by MAAS's own command, which needs the database and no running regiond (maas-facts §1.5)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from agent import disk, region_health
from agent.bundle import RegionSettings
from agent.errors import StepError
from agent.maas_api import MaasApi
from agent.machine import Work
from agent.packaging import PACKAGINGS, region_log, region_unit

COMMAND_TIMEOUT = 120.0
"""Seconds for one command; 2–3 s were seen."""
KEY_FORM = re.compile(r"[^\s:]+:[^\s:]+:[^\s:]+")


class Administrator:
    """The user that the stack file names."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self._work = work
        self._settings = settings
        self._command = PACKAGINGS[settings.packaging].region_cli
        self._called = PurePosixPath(self._command).name
        self.was_created = False
        """True once `ensure` made the user."""

    def ensure(self) -> str:
        """Their API key, which is kept here too; the user is made if there is none. Raises `StepError`."""
        key = self._still_taken() or self._read() or self._create()
        if self._kept() != key:
            disk.write_private(self._work.paths.api_key, key)
        return key

    def last_key(self) -> str:
        """Their API key as MAAS has it, else as it was last kept here, or ""."""
        try:
            if key := self._still_taken() or self._read():
                return key
        except StepError as error:
            self._work.report.say(error.cause)
        return self._kept()

    def forget_key(self) -> None:
        """Nothing is kept here any more."""
        self._work.paths.api_key.unlink(missing_ok=True)

    def _kept(self) -> str:
        kept = self._work.paths.api_key
        key = kept.read_text() if kept.exists() else ""
        self._work.report.masker.add(key)
        return key

    def _still_taken(self) -> str:
        """The key that is kept here, if MAAS takes it for this user: a request, where MAAS's command takes seconds."""
        if not (key := self._kept()):
            return ""
        try:
            user = MaasApi([region_health.OWN_URL], key, self._settings.ca_certificate).user()
        except StepError:
            return ""
        return key if user == self._settings.admin_username else ""

    def _read(self) -> str:
        """The first API key, made if there is none; "" if there is no such user."""
        user = ("--username", self._settings.admin_username)
        run = self._work.commands.run
        done = run(self._command, "apikey", *user, timeout=COMMAND_TIMEOUT, check=False)
        if "User does not exist" in done.stderr + done.stdout:
            return ""
        if done.code == 0 and not done.stdout.strip():
            done = run(self._command, "apikey", *user, "--generate", timeout=COMMAND_TIMEOUT, check=False)
        if done.code != 0:
            packaging, version = self._settings.packaging, self._settings.maas_version
            raise StepError(
                f"{self._called} apikey failed (exit {done.code}): {done.complaint}",
                unit=region_unit(packaging, version),
                log=region_log(packaging, version),
            )
        key = next((line.strip() for line in done.stdout.splitlines() if KEY_FORM.fullmatch(line.strip())), "")
        self._work.report.masker.add(key)
        if not key:
            raise StepError(f"{self._called} apikey printed no API key")
        return key

    def _create(self) -> str:
        settings = self._settings
        self._work.report.step(f"create the administrator {settings.admin_username}")
        password = self._work.secret("admin_password")
        # Twice the password, then no SSH keys to import: without an answer the prompt spins (maas-facts §1.5).
        done = self._work.commands.run(
            *(self._command, "createadmin", "--username", settings.admin_username, "--email", settings.admin_email),
            stdin=f"{password}\n{password}\n\n",
            timeout=COMMAND_TIMEOUT,
            check=False,
            hold_lock=True,
            detached=True,
        )
        if done.code != 0 and "already exists" not in done.stderr + done.stdout:
            raise StepError(f"{self._called} createadmin failed (exit {done.code}): {done.complaint}")
        self.was_created = done.code == 0
        key = self._read()
        if not key:
            raise StepError(
                f"the e-mail address {settings.admin_email} belongs to another user than {settings.admin_username}:"
                " choose another address or name for the administrator"
            )
        return key
