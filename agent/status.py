"""This host in a few facts, for `maas-ha status`."""

from __future__ import annotations

from agent.bundle import DhcpSettings, IscDhcpSettings
from agent.machine import Machine
from agent.records import Record
from agent.roles import role_class
from agent.roles.dhcp import dhcpd_of as dhcpd_of_maas
from agent.roles.isc_dhcp import dhcpd_of as dhcpd_of_isc
from agent.rpc_connections import connected_event_loops


def status(machine: Machine, records: list[Record]) -> dict[str, object]:
    """Components with their roles and what those tell, units with their states, the failover state of each DHCP peer,
    and where rackd is connected."""
    names = list(dict.fromkeys(unit for record in records for unit in record.units))
    states = machine.units.states(names)
    return {
        "components": {record.component: record.role for record in records},
        "told": {record.component: role_class(record.role).told(machine, record) for record in records},
        "units": {name: "active" if states[name].active else "inactive" for name in names},
        "dhcp": dict(found for record in records for found in _failover(machine, record)),
        "event_loops": connected_event_loops(machine.paths),
    }


def _failover(machine: Machine, record: Record) -> list[tuple[str, str]]:
    """The failover peer of a DHCP component and what its dhcpd says of it, now; none for other components."""
    settings = record.settings
    if isinstance(settings, DhcpSettings):
        peer = record.facts.get("peer", "")
        return [(peer, dhcpd_of_maas(machine.paths, settings).told(peer))] if settings.enabled else []
    if isinstance(settings, IscDhcpSettings):
        return [(settings.peer, dhcpd_of_isc(machine.paths).told(settings.peer))]
    return []
