"""A region controller: schema, administrator, and proof that its event loops run (maas-facts §1.5, §2, §3)."""

from __future__ import annotations

import os
import time
import urllib.request
from contextlib import suppress

from agent import external_database, region_health
from agent.bundle import RegionSettings
from agent.errors import StepError
from agent.hold import Hold
from agent.identity import SECRET_FORM, read_system_id
from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError, event_loop_addresses
from agent.maas_http import read_json
from agent.maas_tls import MaasTls
from agent.maas_tls import missing as missing_tls
from agent.machine import Machine, Work
from agent.packaging import DEB, PACKAGINGS, RELEASES, region_log
from agent.preflight_maas import check_region
from agent.records import Record
from agent.region_cli import Administrator
from agent.region_deb import inactive
from agent.region_health import RegionLog, advice_on_workers, missing_event_loops, url_of
from agent.region_install import INSTALLED
from agent.region_peers import others_among
from agent.region_restart import Restart
from agent.region_upgrade import RegionUpgrade
from agent.roles.base import Outputs, Role
from agent.schema import Schema

HEALTH_DEADLINE = 300.0
"""Seconds until a started region lists its event loops; 16–18 s were seen."""
BALANCER_DEADLINE = 20.0
"""Seconds until the balancer has noticed that this region is down or up: three checks, two seconds apart."""
FORGET_DEADLINE = 240.0
"""Seconds until MAAS believes that a stopped region has stopped: up to 150 s where it couldn't say so itself."""


class Region(Role):
    """One of the regions on one database."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._packaging = PACKAGINGS[settings.packaging]
        self._installed = INSTALLED[settings.packaging](work, settings)
        self._administrator = Administrator(work, settings)
        self._schema = Schema(work, settings, self._installed)
        self._log = RegionLog(work, settings)
        self._restart = Restart(work, settings)
        self._upgrade = RegionUpgrade(work, settings, self._installed, self._schema, self._restart)
        self._tls = MaasTls(work, settings, region_health.OWN_URL)
        self._api_key = ""

    def prepare(self) -> None:
        """Refuse what can't work: a secret that is missing, another MAAS, a database out of reach."""
        self.work.secret("database_password")
        self.work.secret("admin_password" if self.settings.leader else "api_key")
        self._installed.prepare()
        check_region(self.work, self.settings)
        self._tls.prepare()
        external_database.check(self.work, self.settings)
        if advice := advice_on_workers(self.settings.workers, os.cpu_count() or 1):
            self.work.report.say(f"advice: {advice}")
        self._upgrade.prepare(self._key)

    def upgrade(self) -> None:
        """Packages of an older MAAS are brought to the wanted one, on the leader after a dump of the database."""
        try:
            self._upgrade.bring(self._key)
        except StepError as error:
            raise self._upgrade.explained(error) from None

    def before_units(self) -> None:
        """The leader brings the schema to the installed version; the others insist that it is there."""
        serving = self._installed.is_serving()
        if self.settings.leader:
            try:
                self._schema.migrate_if_needed(serving)
            except StepError as error:
                raise self._upgrade.explained(error) from None
        elif not serving or self.work.changes:
            self._schema.require()
        self._upgrade.release(self._key)
        if serving and self._restart.is_due(self._installed.unit):
            prepare = self._restart.prepare_alone if self._upgrade.is_under_way else self._restart.prepare
            prepare(self._key())
        self._installed.set_up()

    def health(self) -> None:
        """Its own `/MAAS/rpc/` lists all workers, and racks that it had are back; an active unit proves nothing."""
        self.work.wait(
            "regiond with all its event loops",
            HEALTH_DEADLINE,
            lambda: missing_event_loops(self.work, self.settings.workers) or self._installed.missing(),
            unit=self._installed.unit,
            log=region_log(self.settings.packaging, self.settings.maas_version),
        )
        self._restart.prove()

    def finish(self) -> None:
        """The leader makes the administrator, reads their API key and tells MAAS about TLS; new connections come."""
        if self.settings.leader:
            self._api_key = self._administrator.ensure()
        else:
            self._administrator.forget_key()
            self._schema.remember()
        self._tls.bring_about()
        self._restart.end()
        if self.settings.leader:
            self._await_balancer()

    def roll_back(self) -> None:
        """TLS and the snap's mode as they were, if this transaction changed them."""
        self._tls.roll_back()
        self._installed.roll_back()

    def rolled_back(self) -> None:
        """A region that was drained is drained until it serves as before; one that is stopped or held doesn't."""
        with suppress(StepError):  # if it can't be asked, it is waited for
            if not self._installed.is_serving():
                self._restart.abandon()
        self._restart.end_as_before()

    def outputs(self) -> Outputs:
        """The leader tells secret and API key, every region its identity and what its log complains of."""
        outputs: Outputs = {"system_id": read_system_id(self.work, self._packaging), "findings": self._findings()}
        if self.settings.leader:
            path = self._packaging.secret
            secret = self.work.paths.at(path).read_text().strip()
            self.work.report.masker.add(secret)
            if not SECRET_FORM.fullmatch(secret):
                raise StepError(f"{path} doesn't hold 32 hexadecimal digits: racks couldn't use it")
            created = self._administrator.was_created
            outputs |= {"shared_secret": secret, "api_key": self._api_key, "admin_created": created}
        return outputs

    def _await_balancer(self) -> None:
        """Wait until clients are served; a dead balancer is another host's trouble, so that is said and no failure."""
        [url] = self.settings.api_urls
        try:
            self.work.wait("MAAS behind the balancer", BALANCER_DEADLINE, lambda: unserved(url, self.settings))
        except StepError as error:
            self.work.report.say(error.cause)

    def _findings(self) -> str:
        findings = self._log.findings()
        for finding in findings:
            self.work.report.say(f"regiond logged: {finding}")
        return "\n".join(findings)

    def remove(self) -> None:
        """Stop, then let another region forget this one."""
        system_id = read_system_id(self.work, self._packaging)
        key, others = self._key(), self._others()
        self._installed.stop_for_good()
        if not system_id:
            return
        if not (self.settings.api_urls and key):
            self._tell_last("no other region is known" if key else "the database gives no API key")
            return
        self.work.report.step("let MAAS forget this region")
        urls = (*self.settings.api_urls, *(url_of(address, self.settings.tls_port) for address in others))
        api = MaasApi(urls, key, self.settings.ca_certificate)
        noticed = time.monotonic() + BALANCER_DEADLINE
        try:
            self.work.wait("MAAS forgetting this region", FORGET_DEADLINE, lambda: _forget(api, system_id, noticed))
        except NobodyAnswersError as error:
            if others:
                raise StepError(
                    f"{error.cause}\nRegions run at {', '.join(others)}, and one of them must forget this one: let this"
                    " host reach them and try again, or, if they are gone for good, run `maas-ha forget STACK HOST`"
                    " where Pulumi runs"
                ) from None
            self._tell_last(error.cause)

    def _others(self) -> list[str]:
        """Addresses of other regions, as this one lists them while it runs: the database may let it in no more."""
        try:
            others = others_among(event_loop_addresses(region_health.OWN_URL))
        except (OSError, StepError):
            return []
        return sorted(set().union(*others.values()))

    def _key(self) -> str:
        """The administrator's API key, "" if it isn't known."""
        return self._administrator.last_key() if self.settings.leader else self.work.bundle.secrets.get("api_key", "")

    def removed(self) -> None:
        """What is neither a file of the bundle nor a unit."""
        self._administrator.forget_key()
        self._installed.removed()

    def _tell_last(self, reason: str) -> None:
        self.work.report.say(f"{reason}: this was the last region, MAAS's database keeps its row")

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """The certificate that it serves."""
        settings = record.settings
        assert isinstance(settings, RegionSettings)  # noqa: S101 - the record's role is this one
        return {"certificates": {"MAAS": settings.tls_certificate} if settings.tls_certificate else {}}

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """An external database out of reach, event loops that aren't listed, services that don't run, TLS."""
        settings = record.settings
        if not isinstance(settings, RegionSettings):
            return []
        services = RELEASES[settings.maas_version].region_services if settings.packaging == DEB.name else ()
        held = "an upgrade holds this region back: `pulumi up` finishes it" if Hold(machine.paths).stands else ""
        found = (
            held,
            external_database.unreachable(settings),
            missing_event_loops(machine, settings.workers),
            inactive(machine, services),
            missing_tls(settings, region_health.OWN_URL),
        )
        return [*filter(None, found)]


def unserved(url: str, settings: RegionSettings) -> str:
    """Why `url` doesn't serve MAAS's API, or ""."""
    request = urllib.request.Request(f"{url}/api/2.0/version/")  # noqa: S310 - http or https by its form
    try:
        read_json(request, settings.ca_certificate)
    except OSError as error:
        return f"{url}: {error}"
    return ""


def _forget(api: MaasApi, system_id: str, noticed: float) -> str:
    """What still speaks against it, or ""; until `noticed` (monotonic) the balancer may ask this very region."""
    try:
        api.delete_region(system_id)
    except NobodyAnswersError as error:
        if time.monotonic() < noticed:
            return error.cause
        raise
    except RefusedError as error:
        if error.status == 404:
            return ""
        if error.status == 400 and "currently running" in error.said:
            return error.said
        raise
    return ""
