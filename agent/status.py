"""This host in a few facts, for `maas-ha status`."""

from __future__ import annotations

from agent.leases import LEASES, failover_states
from agent.machine import Machine
from agent.records import Record


def status(machine: Machine, records: list[Record]) -> dict[str, object]:
    """Components with their roles, units with their states, and the failover state of each DHCP peer."""
    names = list(dict.fromkeys(unit for record in records for unit in record.units))
    states = machine.units.states(names)
    return {
        "components": {record.component: record.role for record in records},
        "units": {name: "active" if states[name].active else "inactive" for name in names},
        "dhcp": {peer: str(state) for peer, state in failover_states(machine.paths.at(LEASES)).items()},
    }
