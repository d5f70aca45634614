"""keepalived: the address that balancers share is nobody else's, and in the end one host's alone."""

from __future__ import annotations

from agent import arp
from agent.errors import StepError
from agent.interfaces import interface_with, missing_address, with_interface
from agent.keepalived import UNIT, KeepalivedSettings
from agent.machine import Machine, Work
from agent.records import Record
from agent.roles.base import Role

PROBE_SECONDS = 0.4
"""A host of the same network answers an ARP probe within milliseconds."""
HELD_DEADLINE = 30.0
"""Seconds until a host has the address: two missed advertisements after a start, one more where the check must rise."""


class Keepalived(Role):
    """One of the hosts that share the address."""

    def __init__(self, work: Work, settings: KeepalivedSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._interface = interface_with(work.commands, settings.address)
        work.bundle = with_interface(work.bundle, self._interface)

    def prepare(self) -> None:
        """Refuse a host that isn't in the network, and an address that somebody else there has."""
        if not self._interface:
            raise StepError(missing_address(self.settings.address))
        last = self.work.record.settings if self.work.record else None
        if isinstance(last, KeepalivedSettings) and last.virtual_address == self.settings.virtual_address:
            return
        virtual = self.settings.virtual_address
        if strangers := self._owners(virtual) - {mac for peer in self.settings.peers for mac in self._owners(peer)}:
            raise StepError(
                f"another machine in the network has {virtual} already (MAC {', '.join(sorted(strangers))}):"
                " take it from that one, or choose a free load_balancer.virtual_address in the stack file"
            )

    def health(self) -> None:
        """Somebody has the address; once all balancers are done, one host alone."""
        virtual = self.settings.virtual_address
        self.work.wait(f"a holder of {virtual}", HELD_DEADLINE, self._missing, unit=UNIT)

    def _missing(self) -> str:
        found = holders(self.work, self._interface, self.settings.virtual_address)
        if not found:
            return "no balancer has it: is HAProxy serving on one of them?"
        return split(self.settings, found) if self.settings.last else ""

    def _owners(self, address: str) -> set[str]:
        return arp.owners(self._interface, address, PROBE_SECONDS)

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """Whether this host has the shared address."""
        settings = record.settings
        assert isinstance(settings, KeepalivedSettings)  # noqa: S101 - the record's role is this one
        held = bool(interface_with(machine.commands, settings.virtual_address))
        return {"shared_address": {"address": settings.virtual_address, "held": held}}

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """An address that nobody has, or two."""
        if not isinstance(settings := record.settings, KeepalivedSettings):
            return []
        interface = interface_with(machine.commands, settings.address)
        if not interface:
            return [f"no interface has {settings.address}"]
        found = holders(machine, interface, settings.virtual_address)
        if not found:
            return [f"no balancer has {settings.virtual_address}"]
        reason = split(settings, found)
        return [reason] if reason else []


def holders(machine: Machine, interface: str, address: str) -> list[str]:
    """Who has `address` in the network of `interface`: `this host`, and the MAC addresses of others."""
    own = ["this host"] if interface_with(machine.commands, address) else []
    return [*own, *sorted(arp.owners(interface, address, PROBE_SECONDS))]


def split(settings: KeepalivedSettings, found: list[str]) -> str:
    """What to say where more than one host has the address, or ""."""
    if len(found) < 2:
        return ""
    return (
        f"{' and '.join(found)} have {settings.virtual_address} at once:"
        f" let VRRP (IP protocol 112) through between {' and '.join((settings.address, *settings.peers))}"
    )
