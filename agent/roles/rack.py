"""A rack controller: the secret is there before rackd starts, and MAAS says that it runs (maas-facts §0a row 3, §4)."""

from __future__ import annotations

from agent import bmc
from agent.bundle import RackSettings
from agent.errors import StepError
from agent.identity import SECRET_FORM, forget_identity, read_system_id, refuse_other_maas
from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError
from agent.maas_api import Rack as MaasRack
from agent.machine import Machine, Work
from agent.packaging import DEB, PACKAGINGS, rack_log
from agent.preflight_maas import check_rack
from agent.rack_deb import DebRack
from agent.rack_snap import SnapRack
from agent.rack_vlans import leave_vlans
from agent.records import Record
from agent.roles.base import Outputs, Role

HEALTH_DEADLINE = 300.0
"""Seconds until MAAS says that rackd runs; it registers 2–5 s after its start, then connects to every event loop."""


class Rack(Role):
    """One rack controller."""

    def __init__(self, work: Work, settings: RackSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._packaging = PACKAGINGS[settings.packaging]
        self._installed = DebRack() if settings.packaging == DEB.name else SnapRack(work, settings)

    def prepare(self) -> None:
        """A secret of another form would break rackd and `maas-rack` themselves (maas-facts §1.3)."""
        secret = self.work.secret("shared_secret")
        if not SECRET_FORM.fullmatch(secret):
            raise StepError(
                "the shared secret isn't 32 hexadecimal digits, so this rack is left as it is: the first region has"
                f" another in {self._packaging.secret}; start its regiond, which writes it anew, then run `pulumi up`"
            )
        self.work.secret("api_key")
        self._installed.prepare()
        refuse_other_maas(self.work, self._packaging, self.settings.api_urls, secret, self._known_to_maas)
        bmc.check_addresses(self.work, self.settings.bmc_subnets)
        check_rack(self.work, self.settings, self._api())

    def before_units(self) -> None:
        """The snap gets its mode."""
        self._installed.before_units()

    def roll_back(self) -> None:
        """The snap loses a mode that came just now."""
        self._installed.roll_back()

    def health(self) -> None:
        """MAAS says of this rack that rackd is running: connected to every event loop; and sees it where BMCs are."""
        log = rack_log(self.settings.packaging, self.settings.maas_version)
        what = "a rack that MAAS calls running"
        self.work.wait(what, HEALTH_DEADLINE, self._missing, unit=self._installed.unit, log=log)
        bmc.wait_until_seen(self.work, self.settings.bmc_subnets, self._api(), self._system_id())

    def _missing(self) -> str:
        system_id = self._system_id()
        if not system_id:
            return "rackd hasn't registered with MAAS yet"
        try:
            racks = self._api().racks()
        except NobodyAnswersError as error:
            return error.cause
        return _not_running(racks, system_id)

    def outputs(self) -> Outputs:
        """Identity of the rack in MAAS."""
        return {"system_id": self._system_id()}

    def remove(self) -> None:
        """Leave the VLANs that it still serves, stop rackd, so that MAAS can't tell it to wipe its secret and restart
        (maas-facts §5), then let MAAS forget it."""
        system_id = self._system_id()
        units = self.work.record.units if self.work.record else self.work.bundle.units
        try:
            if system_id:
                leave_vlans(self._api(), system_id, self.work.report.say)
            self.work.units.stop([self._installed.unit, *units])
            if system_id:
                self.work.report.step("let MAAS forget this rack")
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
        """The identity goes with the rack: a reboot, or another MAAS, finds nothing of it."""
        self._installed.removed()
        forget_identity(self.work, self._packaging)

    def _system_id(self) -> str:
        return read_system_id(self.work, self._packaging)

    def _known_to_maas(self) -> set[str]:
        return {rack.system_id for rack in self._api().racks()}

    def _api(self) -> MaasApi:
        return MaasApi(self.settings.api_urls, self.work.secret("api_key"), self.settings.ca_certificate)

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A rack that lost its identity; MAAS itself can't be asked without its key."""
        if not isinstance(settings := record.settings, RackSettings):
            return []
        known = record.facts.get("system_id", "")
        now = read_system_id(machine, PACKAGINGS[settings.packaging])
        return [] if now else [f"this rack isn't registered any more (it was {known})"]

    def finish(self) -> None:
        """Remember who this rack was."""
        self.work.facts["system_id"] = self._system_id()


def _not_running(racks: list[MaasRack], system_id: str) -> str:
    rack = next((rack for rack in racks if rack.system_id == system_id), None)
    if rack is None:
        return f"MAAS doesn't list the rack {system_id}"
    if rack.rackd == "running":
        return ""
    return f"MAAS says that rackd of {rack.hostname} is {rack.services.get('rackd', rack.rackd)}"
