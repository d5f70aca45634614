"""DHCP of a VLAN by two racks, each of which tells MAAS its part and waits for it (maas-facts §5, §6)."""

from __future__ import annotations

from agent.bundle import DhcpSettings
from agent.errors import StepError
from agent.failover import Dhcpd
from agent.handover import Handover, kept, peer_name
from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError, Subnet, Vlan
from agent.machine import Machine, Work
from agent.packaging import PACKAGINGS
from agent.paths import Paths
from agent.records import Record
from agent.roles.base import Outputs, Role
from agent.vlan import DynamicRange, mark, set_vlan

OFF_DEADLINE = 120.0
"""Seconds until MAAS has taken a VLAN from dhcpd; 2–4 s were seen (maas-facts §0a row 6)."""
RANGE_DEADLINE = 120.0
"""Seconds until MAAS has told dhcpd of another range; 2–4 s were seen (maas-facts §0a row 6)."""


class Dhcp(Role):
    """One side of a failover pair."""

    def __init__(self, work: Work, settings: DhcpSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._api = MaasApi(settings.api_urls, work.secret("api_key"), settings.ca_certificate)
        self._range = DynamicRange(self._api, work.report, settings, mark(work.bundle.host))
        self._dhcpd = dhcpd_of(work.paths, settings)
        self._vlan_before: Vlan | None = None
        self._vlan: Vlan | None = None

    def finish(self) -> None:
        """Tell MAAS this rack's part of what is wanted, and wait until this host's dhcpd does it."""
        subnet = self._subnet()
        if subnet is None:
            raise StepError(
                f"MAAS has no subnet {self.settings.subnet}: a rack with an address in it makes MAAS learn it"
            )
        self._vlan = self._vlan_before = self._api.vlan(subnet.vlan)
        self.work.facts["peer"] = peer = peer_name(self._vlan)
        if self.settings.configures:
            self._range.ensure(subnet)
        if self.settings.enabled:
            self._vlan = self._serve(self._vlan)
            if self._vlan.is_served:  # else the secondary's command turns it on
                self._wait_for_range()
            return
        if self.settings.configures:
            self._vlan = self._turn_off(self._vlan)
        self.work.report.step(f"wait for the end of {peer}")
        self.work.wait(f"no {peer} on this host", OFF_DEADLINE, lambda: _still_serves(self._dhcpd, peer))

    def outputs(self) -> Outputs:
        """VLAN and fabric of the subnet."""
        return {"vlan": self._vlan.id, "fabric": self._vlan.fabric} if self._vlan else {}

    def roll_back(self) -> None:
        """The VLAN as it was, without a range that came meanwhile."""
        try:
            if self._vlan_before and self._vlan_before != self._api.vlan(self._vlan_before.id):
                set_vlan(self._api, self._api.vlan(self._vlan_before.id), self._vlan_before)
            if subnet := self._subnet():
                self._range.restore(subnet)
        except StepError as error:
            self.work.report.say(f"not restored in MAAS: {error.cause}")

    def remove(self) -> None:
        """This rack's part undone: secondary cleared, then DHCP off, primary cleared, our range deleted.

        What is gone, or in other hands by now, needs nothing.
        """
        try:
            if subnet := self._subnet():
                self._leave(self._api.vlan(subnet.vlan))
                if self.settings.configures:
                    self._range.delete(subnet)
        except NobodyAnswersError as error:
            raise StepError(
                f"{error.cause}\nDHCP must be turned off in MAAS: start a region and try again, or, if MAAS is gone"
                " for good, run `maas-ha forget STACK HOST` where Pulumi runs"
            ) from None
        except RefusedError as error:
            if error.status != 404:
                raise

    def _leave(self, now: Vlan) -> None:
        """A VLAN that this rack serves no more is another command's: that of the rack which came in its place."""
        own = self.settings.primary if self.settings.configures else self.settings.secondary
        if own not in (now.primary, now.secondary):
            if now.primary:
                self.work.report.say(f"the VLAN is now served by {now}: left as it is")
        elif self.settings.configures:
            self._turn_off(now)
        elif now.secondary == own:
            self.work.report.step(f"leave VLAN {now.id}")
            self._api.update_vlan(now.id, {"secondary_rack": ""})

    def _turn_off(self, now: Vlan) -> Vlan:
        wanted = Vlan(now.id, now.fabric, "", "", dhcp_on=False)
        if now != wanted:
            self.work.report.step(f"turn off DHCP on VLAN {now.id}")
            set_vlan(self._api, now, wanted)
        return kept(self._api, wanted)

    def _subnet(self) -> Subnet | None:
        return self._api.subnet(self.settings.subnet)

    def _serve(self, now: Vlan) -> Vlan:
        wanted = Vlan(now.id, now.fabric, self.settings.primary, self.settings.secondary, dhcp_on=True)
        addresses = {rack.system_id: rack.addresses for rack in self._api.racks()}
        handover = Handover(self.work, self._api, self._dhcpd, addresses, wanted)
        if not self.settings.configures:
            return handover.join(now)
        now = handover.take(now)
        if now == wanted:
            handover.wait_until_settled("primary", wanted.secondary)
        return now

    def _wait_for_range(self) -> None:
        """An update is done when the new range is given out, not when MAAS has heard of it."""
        if _lacks_range(self._dhcpd, self.settings):
            self.work.report.step("wait for the dynamic range")
            self.work.wait(
                "the dynamic range on this host", RANGE_DEADLINE, lambda: _lacks_range(self._dhcpd, self.settings)
            )

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A pair that isn't settled, or one that should be off."""
        if not isinstance(settings := record.settings, DhcpSettings):
            return []
        dhcpd, peer = dhcpd_of(machine.paths, settings), record.facts.get("peer", "")
        if settings.enabled:
            reason = dhcpd.unsettled(peer) or _lacks_range(dhcpd, settings)
        else:
            reason = _still_serves(dhcpd, peer)
        return [reason] if reason else []


def dhcpd_of(paths: Paths, settings: DhcpSettings) -> Dhcpd:
    """MAAS's dhcpd on this host (maas-facts §6)."""
    packaging = PACKAGINGS[settings.packaging]
    return Dhcpd(paths, f"{packaging.data}/dhcpd.conf", f"{packaging.dhcp}/dhcpd.leases")


def _lacks_range(dhcpd: Dhcpd, settings: DhcpSettings) -> str:
    start, end = settings.range_start, settings.range_end
    return "" if dhcpd.gives(start, end) else f"dhcpd here isn't configured for the range {start}–{end}"


def _still_serves(dhcpd: Dhcpd, peer: str) -> str:
    peers = dhcpd.peers()
    if peer in peers:
        return f"dhcpd here is still configured for {peer}"
    return "dhcpd here still runs" if not peers and dhcpd.is_listening() else ""
