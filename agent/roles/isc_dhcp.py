"""One side of a stand-alone ISC failover pair: which interface, and when the pair is normal."""

from __future__ import annotations

from agent.bundle import IscDhcpSettings
from agent.errors import StepError
from agent.failover import PORT, Dhcpd, Peer
from agent.interfaces import interface_with, missing_address, with_interface
from agent.isc_dhcpd import CONF, LEASES, UNIT
from agent.machine import Machine, Work
from agent.paths import Paths
from agent.preflight_maas import clock_offset
from agent.records import Record
from agent.roles.base import Outputs, Role

CLOCK_REFUSED = 25.0
"""Seconds between this host's clock and MAAS's; two hosts are then less than 60 s apart, which dhcpd allows."""
LISTENS_DEADLINE = 30.0
"""Seconds until dhcpd waits for its partner after a start."""
SETTLED_DEADLINE = 120.0
"""Seconds until both agree; less than three were seen."""


class IscDhcp(Role):
    """dhcpd of the package isc-dhcp-server."""

    def __init__(self, work: Work, settings: IscDhcpSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._dhcpd = dhcpd_of(work.paths)
        self._interface = interface_with(work.commands, settings.address)
        work.bundle = with_interface(work.bundle, self._interface)
        self._peer_before: Peer | None = None
        self._settled_before = False

    def prepare(self) -> None:
        """Refuse a host without the address, or with a wrong clock; remember what the pair was."""
        if not self._interface:
            raise StepError(missing_address(self.settings.address))
        self._compare_clocks()
        self._peer_before = self._dhcpd.peers().get(self.settings.peer)
        self._settled_before = self._dhcpd.unsettled(self.settings.peer) == ""

    def health(self) -> None:
        """dhcpd waits for its partner; where the partner can be there, both are normal."""
        peer, partner = self.settings.peer, self.settings.partner
        self.work.wait(
            "dhcpd's failover port",
            LISTENS_DEADLINE,
            lambda: "" if self._dhcpd.is_listening() else f"nobody listens on port {PORT}",
            unit=UNIT,
        )
        if not self._waits():
            self.work.report.say(f"dhcpd here serves nobody before it has met {partner} as partner of {peer}")
            return
        self.work.report.step(f"wait for {peer}")
        self.work.wait(
            f"{peer} on both sides (port {PORT} of {partner} must be reachable, clocks within 60 s)",
            SETTLED_DEADLINE,
            lambda: self._dhcpd.unsettled(peer, partners=(partner,)),
            unit=UNIT,
        )
        state = self._dhcpd.state(peer)
        if state and not state.is_normal:
            self.work.report.say(
                f"{peer} is {state}: one host serves all, the other joins by itself within MCLT, an hour at most"
            )

    def outputs(self) -> Outputs:
        """The interface, and how the pair is."""
        state = self._dhcpd.state(self.settings.peer)
        return {"interface": self._interface, "state": str(state) if state else "unknown"}

    def _compare_clocks(self) -> None:
        """Both hosts with MAAS's clock, and so with each other's."""
        url = self.settings.clock_url
        offset = clock_offset(url, self.settings.ca_certificate) if url else None
        if offset is not None and abs(offset) >= CLOCK_REFUSED:
            raise StepError(
                f"this host's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} that of {url}:"
                " dhcpd refuses a partner whose clock is 60 s off; set both by the same time servers"
            )

    def _waits(self) -> bool:
        """The second of two always; the first if the pair was well and its partner's file still fits this one's."""
        if self.settings.waits:
            return True
        return self._settled_before and self._peer_before == self._dhcpd.peers().get(self.settings.peer)

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A pair that isn't settled."""
        if not isinstance(settings := record.settings, IscDhcpSettings):
            return []
        reason = dhcpd_of(machine.paths).unsettled(settings.peer)
        return [reason] if reason else []


def dhcpd_of(paths: Paths) -> Dhcpd:
    """The dhcpd of this host's isc-dhcp-server."""
    return Dhcpd(paths, CONF, LEASES)
