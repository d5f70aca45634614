"""A region controller: schema, administrator, and proof that its event loops run (maas-facts §1.5, §2, §3)."""

from __future__ import annotations

import os
import re
import socket

from agent import external_database
from agent.bundle import RegionSettings
from agent.errors import StepError
from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError, event_loops
from agent.maas_tls import MaasTls
from agent.maas_tls import differences as tls_differences
from agent.machine import Machine, Work
from agent.preflight_maas import check_region
from agent.records import Record
from agent.roles.base import Outputs, Role
from agent.schema import UNIT, Schema

OWN_URL = "http://127.0.0.1:5240/MAAS"
MAX_WORKERS = 10
"""Event loops that find a port in 5250–5259 (maas-facts §2)."""
HEALTH_DEADLINE = 300.0
"""Seconds until a started region lists its event loops; 16–18 s were seen."""
FORGET_DEADLINE = 180.0
"""Seconds until MAAS believes that a stopped region has stopped; 90 s after its end by its own rule."""
COMMAND_TIMEOUT = 120.0
"""Seconds for one `maas-region` command; 2–3 s were seen."""
LOG = "/var/log/maas/regiond.log"
MAAS_ID = "/var/lib/maas/maas_id"
SECRET = "/var/lib/maas/secret"  # noqa: S105 - a path
SECRET_FORM = re.compile(r"[0-9a-f]{32}")
KEY_FORM = re.compile(r"[^\s:]+:[^\s:]+:[^\s:]+")


class Region(Role):
    """One of the regions on one database."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._tls = MaasTls(work, settings, OWN_URL)
        self._admin_created = False
        self._api_key = ""

    def prepare(self) -> None:
        """The secrets that this region needs must be in the bundle."""
        self.work.secret("database_password")
        self.work.secret("admin_password" if self.settings.leader else "api_key")
        check_region(self.work, self.settings)
        self._tls.prepare()
        external_database.check(self.work, self.settings)
        if advice := advice_on_workers(self.settings.workers, os.cpu_count() or 1):
            self.work.report.say(f"advice: {advice}")

    def before_units(self) -> None:
        """The leader brings the schema to the package's version; the others insist that it is there."""
        active = self.work.units.state(UNIT).active
        schema = Schema(self.work, self.settings)
        if self.settings.leader:
            schema.migrate_if_needed(active)
        elif not active or self.work.changes:
            schema.require()

    def health(self) -> None:
        """All workers of this host are listed by its own `/MAAS/rpc/`; an active unit proves nothing."""
        self.work.wait(
            "regiond with all its event loops",
            HEALTH_DEADLINE,
            lambda: missing_event_loops(self.work, self.settings.workers),
            unit=UNIT,
            log=LOG,
        )

    def finish(self) -> None:
        """The leader makes the administrator, reads their API key and tells MAAS about TLS."""
        if self.settings.leader:
            self._api_key = self._read_api_key() or self._create_administrator()
        self._tls.bring_about()

    def roll_back(self) -> None:
        """TLS as it was, if this transaction changed it."""
        self._tls.roll_back()

    def outputs(self) -> Outputs:
        """The leader tells secret and API key, every region its identity."""
        outputs: Outputs = {"system_id": read_system_id(self.work)}
        if self.settings.leader:
            secret = self.work.paths.at(SECRET).read_text().strip()
            self.work.report.masker.add(secret)
            if not SECRET_FORM.fullmatch(secret):
                raise StepError(f"{SECRET} doesn't hold 32 hexadecimal digits: racks couldn't use it")
            outputs |= {"shared_secret": secret, "api_key": self._api_key, "admin_created": self._admin_created}
        return outputs

    def remove(self) -> None:
        """Stop, then let another region forget this one."""
        system_id = read_system_id(self.work)
        key = self._key_for_removal()
        units = self.work.record.units if self.work.record else self.work.bundle.units
        self.work.units.stop([UNIT, *units])
        if not system_id:
            return
        if not (self.settings.api_urls and key):
            self._tell_last("no other region is known" if key else "the database gives no API key")
            return
        self.work.report.step("let MAAS forget this region")
        api = MaasApi(self.settings.api_urls, key, self.settings.ca_certificate)
        try:
            self.work.wait("MAAS forgetting this region", FORGET_DEADLINE, lambda: _forget(api, system_id))
        except NobodyAnswersError as error:
            self._tell_last(error.cause)

    def _tell_last(self, reason: str) -> None:
        self.work.report.say(f"{reason}: this was the last region, MAAS's database keeps its row")

    def _key_for_removal(self) -> str:
        if not self.settings.leader:
            return self.work.bundle.secrets.get("api_key", "")
        try:
            return self._read_api_key()
        except StepError as error:
            self.work.report.say(error.cause)
            return ""

    def _read_api_key(self) -> str:
        """The administrator's first API key, made if there is none; "" if there is no such user."""
        user = ("--username", self.settings.admin_username)
        done = self.work.commands.run("maas-region", "apikey", *user, timeout=COMMAND_TIMEOUT, check=False)
        if "User does not exist" in done.stderr + done.stdout:
            return ""
        if done.code == 0 and not done.stdout.strip():
            done = self.work.commands.run(
                "maas-region", "apikey", *user, "--generate", timeout=COMMAND_TIMEOUT, check=False
            )
        if done.code != 0:
            raise StepError(f"maas-region apikey failed (exit {done.code}): {done.complaint}", unit=UNIT, log=LOG)
        key = next((line.strip() for line in done.stdout.splitlines() if KEY_FORM.fullmatch(line.strip())), "")
        self.work.report.masker.add(key)
        if not key:
            raise StepError("maas-region apikey printed no API key")
        return key

    def _create_administrator(self) -> str:
        settings = self.settings
        self.work.report.step(f"create the administrator {settings.admin_username}")
        password = self.work.secret("admin_password")
        # Twice the password, then no SSH keys to import: without an answer the prompt spins (maas-facts §1.5).
        done = self.work.commands.run(
            *("maas-region", "createadmin", "--username", settings.admin_username, "--email", settings.admin_email),
            stdin=f"{password}\n{password}\n\n",
            timeout=COMMAND_TIMEOUT,
            check=False,
            hold_lock=True,
            detached=True,
        )
        if done.code != 0 and "already exists" not in done.stderr + done.stdout:
            raise StepError(f"maas-region createadmin failed (exit {done.code}): {done.complaint}")
        self._admin_created = done.code == 0
        key = self._read_api_key()
        if not key:
            raise StepError(
                f"the e-mail address {settings.admin_email} belongs to another user than {settings.admin_username}:"
                " choose another address or name for the administrator"
            )
        return key

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """An external database out of reach, event loops that aren't listed, TLS that isn't as wanted."""
        settings = record.settings
        if not isinstance(settings, RegionSettings):
            return []
        found = (external_database.unreachable(settings), missing_event_loops(machine, settings.workers))
        return [*filter(None, found), *tls_differences(machine, settings, OWN_URL)]


def advice_on_workers(workers: int, cpus: int) -> str:
    """What speaks against so many workers on this host, or "" (maas-facts §2)."""
    if workers <= cpus:
        return ""
    return f"{workers} workers share {cpus} CPU{'s' if cpus > 1 else ''}: MAAS's documentation advises one a CPU"


def missing_event_loops(machine: Machine, workers: int) -> str:
    """What `/MAAS/rpc/` here still lacks, or ""."""
    try:
        names = event_loops(OWN_URL)
    except (OSError, StepError) as error:
        return f"{OWN_URL}/rpc/: {error}"
    hosts = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    alive = [name for name in names if name.partition(":")[0] in hosts and _lives(machine, name)]
    wanted = min(workers, MAX_WORKERS)
    return "" if len(alive) >= wanted else f"{len(alive)} of {wanted} event loops of this host are listed"


def _lives(machine: Machine, event_loop: str) -> bool:
    """False for the row of a process that has died, which MAAS lists for up to 150 s (maas-facts §0a row 4.6)."""
    pid = event_loop.partition(":pid=")[2]
    return not pid.isdigit() or machine.paths.at(f"/proc/{pid}").exists()


def read_system_id(machine: Machine) -> str:
    """This controller's identity in MAAS, "" if it has none; it may change, so it is read each time."""
    try:
        return machine.paths.at(MAAS_ID).read_text().strip()
    except FileNotFoundError:
        return ""


def _forget(api: MaasApi, system_id: str) -> str:
    try:
        api.delete_region(system_id)
    except RefusedError as error:
        if error.status == 404:
            return ""
        if error.status == 400 and "currently running" in error.said:
            return error.said
        raise
    return ""
