"""A VLAN that is served goes over to another pair of racks, step by step, told to MAAS by the primary to be.

What decides the steps is the failover protocol, seen with dhcpd 4.4: a dhcpd that never met its partner and meets one
that did meet another waits MCLT, an hour, before it serves; two that both know of no partner are normal at once. And a
dhcpd that serves without a partner, as MAAS makes it for a VLAN with one rack, must know all leases before. So:

1. a rack that is new here first becomes secondary of one that serves, and learns the leases from it;
2. before a pair changes, its remaining member serves alone for a moment, which makes it forget the old partner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.errors import StepError
from agent.failover import Dhcpd, listens
from agent.maas_api import MaasApi, Vlan
from agent.machine import Work

ALONE_DEADLINE = 60.0
"""Seconds until MAAS has made a rack serve without a partner; 2–4 s were seen (maas-facts §0a row 6)."""
JOIN_DEADLINE = 300.0
"""Seconds until a rack that is new to a VLAN has all leases."""


@dataclass
class Handover:
    """From the VLAN as it is to `wanted`; `wanted.primary` is the rack of this host."""

    work: Work
    api: MaasApi
    dhcpd: Dhcpd
    addresses: Mapping[str, tuple[str, ...]]
    """system_id of each rack and its addresses."""
    wanted: Vlan

    def run(self, now: Vlan) -> None:
        """Tell MAAS, one step at a time."""
        own = self.wanted.primary
        if own not in (now.primary, now.secondary):
            now = self._join(now)
        if now.primary != own:
            now = self._alone(replace(now, primary=own, secondary=""), {"primary_rack": own})
        elif now.secondary not in ("", self.wanted.secondary) and self._is_whole():
            now = self._alone(replace(now, secondary=""), {"secondary_rack": ""})
        if now != self.wanted:
            self._tell(self.wanted, {"secondary_rack": self.wanted.secondary, "dhcp_on": "true"})

    def _join(self, now: Vlan) -> Vlan:
        """This rack as secondary of one that serves the VLAN, with all of its leases."""
        members = (now.primary, now.secondary)
        teacher = self.wanted.secondary if self.wanted.secondary in members else now.primary
        if now.secondary and all(listens(self.addresses.get(member, ())) for member in members):
            fields = {"secondary_rack": ""} if teacher == now.primary else {"primary_rack": teacher}
            now = self._tell(replace(now, primary=teacher, secondary=""), fields)
            self._wait_for_teacher(teacher)
        elif teacher != now.primary:
            # Half of the pair is down: the other half keeps what it knows of it, and we learn and wait.
            fields = {"primary_rack": self.wanted.primary}
            joined = self._tell(replace(now, primary=self.wanted.primary), fields)
            self._wait_until_joined(teacher, "primary")
            return joined
        joined = self._tell(replace(now, secondary=self.wanted.primary), {"secondary_rack": self.wanted.primary})
        self._wait_until_joined(teacher, "secondary")
        return joined

    def _alone(self, wanted: Vlan, fields: Mapping[str, str]) -> Vlan:
        now = self._tell(wanted, fields)
        self.work.report.step("serve alone for a moment")
        peer = peer_name(now)
        self.work.wait(
            "dhcpd here without a partner",
            ALONE_DEADLINE,
            lambda: "" if self.dhcpd.serves_alone(peer) else f"dhcpd here still knows {peer}",
        )
        return now

    def _wait_for_teacher(self, teacher: str) -> None:
        """Another rack's dhcpd shows only by its port that it has dropped its partner."""
        try:
            self.work.wait(
                "the serving rack without a partner",
                ALONE_DEADLINE,
                lambda: "its failover port is open" if listens(self.addresses.get(teacher, ())) else "",
            )
        except StepError:
            # It serves another VLAN with a partner: then it may remember the old one, and we wait MCLT.
            self.work.report.say("the serving rack has a partner for another VLAN")

    def _wait_until_joined(self, teacher: str, role: str) -> None:
        self.work.report.step("learn the leases")
        peer, partners = peer_name(self.wanted), self.addresses.get(teacher, ())
        self.work.wait(f"{peer} with all leases", JOIN_DEADLINE, lambda: self.dhcpd.unsettled(peer, role, partners))

    def _is_whole(self) -> bool:
        """True if this dhcpd and its partner agree on all leases; else it must not forget its partner."""
        state = self.dhcpd.state(peer_name(self.wanted))
        return state is None or state.is_normal

    def _tell(self, wanted: Vlan, fields: Mapping[str, str]) -> Vlan:
        self.work.report.step(f"VLAN {wanted.id}: {wanted}")
        self.api.update_vlan(wanted.id, fields)
        return kept(self.api, wanted)


def kept(api: MaasApi, wanted: Vlan) -> Vlan:
    """The VLAN, which must be `wanted`: MAAS answers 200 to what it half ignores (maas-facts §0a row 5)."""
    found = api.vlan(wanted.id)
    if found != wanted:
        raise StepError(f"MAAS kept for VLAN {wanted.id}: {found}; asked for was: {wanted}")
    return found


def peer_name(vlan: Vlan) -> str:
    """How MAAS calls the VLAN's failover peer (maas-facts §6)."""
    return f"failover-vlan-{vlan.id}"
