"""A VLAN's racks, told to MAAS: both at once where nobody serves it, else the primary first, then the secondary.

What decides the steps is the failover protocol, seen with dhcpd 4.4: one that knows of no partner and meets one that
does know of a partner waits MCLT, an hour, before it serves; two that both know of none are normal at once. And one
that serves alone, as MAAS makes it for a VLAN with one rack, must know all leases before.

So a VLAN that nobody serves is turned on for both at once, when dhcpd has forgotten its partners on the primary's host
and then on the secondary's, which tells MAAS: a first start takes it a minute, and no longer for two. A primary that
wasn't asked to forget remembers, and its secondary waits MCLT. Where one serves:

1. a primary that is new here first becomes secondary of a rack that serves, and learns the leases from it;
2. the primary serves alone for a moment, which makes it forget its old partner;
3. the secondary joins without a memory of old partners, but with the leases that it knows.

A pair of which one half is down is not made to forget: then the new half waits out what the dead one may have given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from agent.errors import StepError
from agent.failover import Dhcpd, listens
from agent.maas_api import MaasApi, Vlan
from agent.machine import Work
from agent.vlan import set_vlan

ALONE_DEADLINE = 120.0
"""Seconds until MAAS has made a rack serve without a partner; 2–4 s were seen (maas-facts §0a row 6)."""
SETTLED_DEADLINE = 300.0
"""Seconds until both dhcpd agree; 38–54 s were seen when DHCP was first turned on (maas-facts §0a row 6)."""


@dataclass
class Handover:
    """One rack's part in it; the rack is that of this host."""

    work: Work
    api: MaasApi
    dhcpd: Dhcpd
    addresses: Mapping[str, tuple[str, ...]]
    """system_id of each rack and its addresses."""
    wanted: Vlan

    def take(self, now: Vlan) -> Vlan:
        """This rack as primary. Its secondary is the wanted one, none, or a dead one that the wanted one replaces.

        A VLAN that nobody serves stays so: `join` turns it on.
        """
        own = self.wanted.primary
        if not now.is_served:
            self._forget_partners()
            self.work.report.say(f"nobody serves VLAN {now.id}: the secondary's host turns it on for both racks")
            return now
        if own not in (now.primary, now.secondary):
            now = self._learn(now)
        elif (now.primary, now.secondary) != (own, self.wanted.secondary):
            self._refuse_while_it_learns()
        if now.primary != own:
            return self._alone(replace(now, primary=own, secondary=""), {"primary_rack": own})
        if now.secondary not in ("", self.wanted.secondary) and not self._outlives_partner():
            return self._alone(replace(now, secondary=""), {"secondary_rack": ""})
        return now

    def join(self, now: Vlan) -> Vlan:
        """This rack as secondary of the wanted primary. Raises `StepError` if another one is primary."""
        if not now.is_served:
            now = self._turn_on(now)
        elif now.primary != self.wanted.primary:
            raise StepError(
                f"MAAS has for VLAN {now.id}: {now}; asked for was: {self.wanted}\nThe primary's host comes first: run"
                " `maas-ha verify STACK --repair HOST` for it, then update again"
            )
        elif now.secondary != self.wanted.secondary:
            self._forget_partners()
            now = self._tell(self.wanted, {"secondary_rack": self.wanted.secondary})
        self.wait_until_settled("secondary", self.wanted.primary)
        return now

    def wait_until_settled(self, role: str, partner: str) -> None:
        """This rack and `partner` serve the VLAN as a pair."""
        self.work.report.step(f"wait for {self._peer}")
        addresses = self.addresses.get(partner, ())
        self.work.wait(
            f"{self._peer} on both sides", SETTLED_DEADLINE, lambda: self.dhcpd.unsettled(self._peer, role, addresses)
        )
        state = self.dhcpd.state(self._peer)
        if state and not state.is_normal:
            self.work.report.say(
                f"{self._peer} is {state}: one rack serves all, the other joins by itself within MCLT, an hour at most"
            )

    def _turn_on(self, now: Vlan) -> Vlan:
        self._forget_partners()
        self.work.report.step(f"VLAN {now.id}: {self.wanted}")
        set_vlan(self.api, now, self.wanted)
        return kept(self.api, self.wanted)

    def _learn(self, now: Vlan) -> Vlan:
        """This rack as half of a pair that serves the VLAN, with all of its leases."""
        own, members = self.wanted.primary, (now.primary, now.secondary)
        teacher = self.wanted.secondary if self.wanted.secondary in members else now.primary
        self._forget_partners()
        if now.secondary and all(listens(self.addresses.get(member, ())) for member in members):
            fields = {"secondary_rack": ""} if teacher == now.primary else {"primary_rack": teacher}
            now = self._tell(replace(now, primary=teacher, secondary=""), fields)
            self._wait_for_teacher(teacher)
        if teacher == now.primary:
            now = self._tell(replace(now, secondary=own), {"secondary_rack": own})
            self.wait_until_settled("secondary", teacher)
        else:  # the primary is down: its secondary keeps what it knows of it
            now = self._tell(replace(now, primary=own), {"primary_rack": own})
            self.wait_until_settled("primary", teacher)
        return now

    def _alone(self, wanted: Vlan, fields: Mapping[str, str]) -> Vlan:
        now = self._tell(wanted, fields)
        self.work.report.step("serve without a partner")
        self.work.wait(
            "dhcpd here without a partner",
            ALONE_DEADLINE,
            lambda: "" if self.dhcpd.serves_alone(self._peer) else f"dhcpd here isn't yet without {self._peer}",
        )
        return now

    def _wait_for_teacher(self, teacher: str) -> None:
        """Another rack's dhcpd shows only by its port that it has dropped its partner."""
        self._wait_or_say(
            "the serving rack without a partner",
            lambda: "its failover port is open" if listens(self.addresses.get(teacher, ())) else "",
        )

    def _forget_partners(self) -> None:
        """dhcpd here neither serves the VLAN nor remembers to have done so with a partner."""
        self._wait_or_say(
            f"dhcpd here without {self._peer}", lambda: f"it remembers {self._peer}" if self._remembers() else ""
        )

    def _remembers(self) -> bool:
        if self.dhcpd.is_off():
            self.dhcpd.forget(self._peer)
        return self._peer in self.dhcpd.peers() or self.dhcpd.state(self._peer) is not None

    def _wait_or_say(self, what: str, attempt: Callable[[], str]) -> None:
        """Without it the new half of the pair waits MCLT: slower, and as safe."""
        try:
            self.work.wait(what, ALONE_DEADLINE, attempt)
        except StepError as error:
            self.work.report.say(error.cause)

    def _outlives_partner(self) -> bool:
        """True if this dhcpd serves without its partner, whose latest leases it may not know: it must remember it."""
        state = self.dhcpd.state(self._peer)
        return state is not None and state.mine in ("communications-interrupted", "partner-down")

    def _refuse_while_it_learns(self) -> None:
        """Two that wait for MCLT serve nobody, and one that does doesn't know what its partner gives meanwhile."""
        state, peer = self.dhcpd.state(self._peer), self.dhcpd.peers().get(self._peer)
        if state and peer and state.mine.startswith("recover") and self.dhcpd.is_connected(peer.partner):
            raise StepError(
                f"dhcpd here is {state.mine}, and its partner serves all until MCLT has passed, an hour at most:"
                " update again once `maas-ha status` shows normal/normal"
            )

    @property
    def _peer(self) -> str:
        return peer_name(self.wanted)

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
