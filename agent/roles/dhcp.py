"""DHCP of a VLAN by two racks: told to MAAS by one of them, waited for by both (maas-facts §5, §6)."""

from __future__ import annotations

import ipaddress

from agent.bundle import DhcpSettings
from agent.errors import StepError
from agent.leases import LEASES, failover_states
from agent.maas_api import IpRange, MaasApi, NobodyAnswersError, RefusedError, Subnet, Vlan
from agent.machine import Machine, Work
from agent.records import Record
from agent.roles.base import Outputs, Role

NORMAL_DEADLINE = 300.0
"""Seconds until both dhcpd say that the pair is normal; 38–54 s were seen when it was first turned on."""
RACKD = "maas-rackd.service"
COMMENT = "made by maas-ha"
"""Marks the range as ours, so that removal may delete it even after a crash."""


class Dhcp(Role):
    """One side of a failover pair."""

    def __init__(self, work: Work, settings: DhcpSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._api = MaasApi(settings.api_urls, work.secret("api_key"), settings.ca_certificate)
        self._vlan_before: Vlan | None = None
        self._range_created = False
        self._vlan: Vlan | None = None

    def finish(self) -> None:
        """Tell MAAS (on the side that configures), then wait for this host's dhcpd."""
        subnet = self._subnet()
        if subnet is None:
            raise StepError(
                f"MAAS has no subnet {self.settings.subnet}: a rack with an address in it makes MAAS learn it"
            )
        self._vlan = self._api.vlan(subnet.vlan)
        if self.settings.configures:
            self._ensure_range(subnet)
            self._ensure_vlan(self._vlan)
        peer = f"failover-vlan-{self._vlan.id}"
        self.work.report.step(f"wait for {peer}")
        self.work.wait(
            f"{peer} normal on both sides", NORMAL_DEADLINE, lambda: _not_normal(self.work, peer), unit=RACKD
        )
        self.work.facts["peer"] = peer

    def outputs(self) -> Outputs:
        """VLAN and fabric of the subnet."""
        return {"vlan": self._vlan.id, "fabric": self._vlan.fabric} if self._vlan else {}

    def roll_back(self) -> None:
        """The VLAN as it was, without a range that came meanwhile."""
        try:
            if self._vlan_before:
                set_vlan(self._api, self._api.vlan(self._vlan_before.id), self._vlan_before)
            if self._range_created and (subnet := self._subnet()):
                self._delete_range(subnet)
        except StepError as error:
            self.work.report.say(f"not restored in MAAS: {error.cause}")

    def remove(self) -> None:
        """DHCP off, racks cleared, our range deleted; a subnet or VLAN that is gone needs nothing."""
        if not self.settings.configures:
            return
        try:
            subnet = self._subnet()
            if subnet is None:
                return
            now = self._api.vlan(subnet.vlan)
            if now.primary not in ("", self.settings.primary, self.settings.secondary):
                self.work.report.say(f"the VLAN is now served by {now}: left as it is")
                return
            self.work.report.step(f"turn off DHCP on VLAN {now.id}")
            set_vlan(self._api, now, Vlan(now.id, now.fabric, "", "", dhcp_on=False))
            self._delete_range(subnet)
        except NobodyAnswersError as error:
            raise StepError(
                f"{error.cause}\nDHCP must be turned off in MAAS: start a region and try again, or, if MAAS is gone"
                " for good, run `maas-ha forget STACK HOST` where Pulumi runs"
            ) from None
        except RefusedError as error:
            if error.status != 404:
                raise

    def _subnet(self) -> Subnet | None:
        return self._api.subnet(self.settings.subnet)

    def _ensure_range(self, subnet: Subnet) -> None:
        """A dynamic range exactly as asked for. Raises `StepError` if another one overlaps it."""
        settings = self.settings
        for known in self._api.ranges(subnet):
            if known.kind == "dynamic" and (known.start, known.end) == (settings.range_start, settings.range_end):
                return
            if _overlap(known, settings):
                raise StepError(
                    f"the range {settings.range_start}–{settings.range_end} overlaps the {known.kind} range"
                    f" {known.start}–{known.end} (id {known.id}) that MAAS has in {subnet.cidr}"
                )
        self.work.report.step(f"create the dynamic range {settings.range_start}–{settings.range_end}")
        self._api.create_range(subnet, settings.range_start, settings.range_end, COMMENT)
        self._range_created = True

    def _ensure_vlan(self, now: Vlan) -> None:
        wanted = Vlan(now.id, now.fabric, self.settings.primary, self.settings.secondary, dhcp_on=True)
        if now == wanted:
            return
        self.work.report.step(f"turn on DHCP on VLAN {now.id}")
        self._vlan_before = now
        set_vlan(self._api, now, wanted)
        # MAAS answers 200 to what it half ignores (maas-facts §0a row 5).
        kept = self._api.vlan(now.id)
        if kept != wanted:
            raise StepError(f"MAAS kept for VLAN {now.id}: {kept}; asked for was: {wanted}")
        self._vlan = kept

    def _delete_range(self, subnet: Subnet) -> None:
        wanted = (self.settings.range_start, self.settings.range_end)
        for known in self._api.ranges(subnet):
            if (known.start, known.end) == wanted and known.comment == COMMENT:
                self._api.delete_range(known.id)

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A pair that isn't normal."""
        reason = _not_normal(machine, record.facts.get("peer", ""))
        return [reason] if reason else []


def set_vlan(api: MaasApi, now: Vlan, wanted: Vlan) -> None:
    """Bring a VLAN from `now` to `wanted` by the calls that MAAS honours (maas-facts §5)."""
    if now == wanted:
        return
    if not wanted.dhcp_on and now.dhcp_on:
        api.update_vlan(now.id, {"dhcp_on": "false"})
    if not wanted.secondary and now.secondary:
        api.update_vlan(now.id, {"secondary_rack": ""})
    if not wanted.primary:
        if now.primary:
            api.update_vlan(now.id, {"primary_rack": ""})
        return
    fields = {"primary_rack": wanted.primary}
    if wanted.primary != now.primary and (now.secondary == wanted.primary or now.primary == wanted.secondary):
        # One call would silently lose the secondary, or be refused: it is the primary until the first has been done.
        api.update_vlan(now.id, fields)
        fields = {}
    if wanted.secondary:
        fields["secondary_rack"] = wanted.secondary
    if wanted.dhcp_on:
        fields["dhcp_on"] = "true"
    api.update_vlan(now.id, fields)


def _overlap(known: IpRange, settings: DhcpSettings) -> bool:
    first, last, start, end = map(_order, (known.start, known.end, settings.range_start, settings.range_end))
    return first <= end and start <= last


def _order(address: str) -> tuple[int, int]:
    """Compares addresses, IPv4 apart from IPv6."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def _not_normal(machine: Machine, peer: str) -> str:
    state = failover_states(machine.paths.at(LEASES)).get(peer)
    if state is None:
        return f"dhcpd here doesn't serve {peer} yet"
    return "" if state.is_normal else f"dhcpd here says {state} (its own state/its partner's)"
