"""A rack controller: the secret is there before rackd starts, and MAAS says that it runs (maas-facts §0a row 3, §4)."""

from __future__ import annotations

from agent import bmc
from agent.bundle import RackSettings
from agent.errors import StepError
from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError
from agent.maas_api import Rack as MaasRack
from agent.machine import Machine, Work
from agent.preflight_maas import check_rack
from agent.records import Record, Records
from agent.roles.base import Outputs, Role
from agent.roles.region import MAAS_ID, SECRET_FORM, read_system_id

UNIT = "maas-rackd.service"
LOG = "/var/log/maas/rackd.log"
HEALTH_DEADLINE = 300.0
"""Seconds until MAAS says that rackd runs; it registers 2–5 s after its start, then connects to every event loop."""


class Rack(Role):
    """One rack controller."""

    def __init__(self, work: Work, settings: RackSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._said = ""

    def prepare(self) -> None:
        """A secret of another form would break rackd and `maas-rack` themselves (maas-facts §1.3)."""
        if not SECRET_FORM.fullmatch(self.work.secret("shared_secret")):
            raise StepError("the shared secret isn't 32 hexadecimal digits")
        self.work.secret("api_key")
        bmc.check_addresses(self.work, self.settings.bmc_subnets)
        check_rack(self.work, self.settings, self._api())

    def health(self) -> None:
        """MAAS says of this rack that rackd is running: connected to every event loop; and sees it where BMCs are."""
        self.work.wait("a rack that MAAS calls running", HEALTH_DEADLINE, self._missing, unit=UNIT, log=LOG)
        bmc.wait_until_seen(self.work, self.settings.bmc_subnets, self._api(), read_system_id(self.work))

    def _missing(self) -> str:
        system_id = read_system_id(self.work)
        if not system_id:
            return "rackd hasn't registered with MAAS yet"
        try:
            racks = self._api().racks()
        except NobodyAnswersError as error:
            return error.cause
        return _not_running(racks, system_id)

    def outputs(self) -> Outputs:
        """Identity of the rack in MAAS."""
        return {"system_id": read_system_id(self.work)}

    def remove(self) -> None:
        """Stop rackd, so that MAAS can't tell it to wipe and restart, then let MAAS forget it."""
        system_id = read_system_id(self.work)
        units = self.work.record.units if self.work.record else self.work.bundle.units
        self.work.units.stop([UNIT, *units])
        if not system_id:
            return
        self.work.report.step("let MAAS forget this rack")
        try:
            self._api().delete_rack(system_id)
        except NobodyAnswersError as error:
            raise StepError(
                f"{error.cause}\nMAAS must be told to forget this rack: start a region and try again, or, if MAAS is"
                " gone for good, run `maas-ha forget STACK HOST` where Pulumi runs"
            ) from None
        except RefusedError as error:
            if error.status == 404:
                return
            raise StepError(
                f"MAAS keeps this rack: {error.status} {error.said}\n"
                "Give its VLANs another primary rack or turn their DHCP off"
            ) from None

    def removed(self) -> None:
        """The identity goes with the rack, unless a region on this host shares it."""
        if all(record.role != "region" for record in Records(self.work.paths).all()):
            self.work.paths.at(MAAS_ID).unlink(missing_ok=True)

    def _api(self) -> MaasApi:
        return MaasApi(self.settings.api_urls, self.work.secret("api_key"), self.settings.ca_certificate)

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A rack that lost its identity; MAAS itself can't be asked without its key."""
        known, now = record.facts.get("system_id", ""), read_system_id(machine)
        return [] if now else [f"this rack isn't registered any more (it was {known})"]

    def finish(self) -> None:
        """Remember who this rack was."""
        self.work.facts["system_id"] = read_system_id(self.work)


def _not_running(racks: list[MaasRack], system_id: str) -> str:
    rack = next((rack for rack in racks if rack.system_id == system_id), None)
    if rack is None:
        return f"MAAS doesn't list the rack {system_id}"
    status = rack.services.get("rackd", "unknown")
    return "" if status.split(" ")[0] == "running" else f"MAAS says that rackd of {rack.hostname} is {status}"
