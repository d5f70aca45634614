"""DHCP as it is: what MAAS says of its VLANs, and what the dhcpd of every pair say of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel

from agent.handover import peer_name
from agent.maas_api import Vlan
from config.stack_file import Cluster
from config.topology import DhcpPair, IscDhcpPair
from ops.agent_status import AgentStatus
from ops.hosts import NoAnswer

NORMAL = "normal/normal"


class SubnetStatus(BaseModel):
    """DHCP of one subnet."""

    subnet: str
    mode: Literal["maas", "isc"]
    vlan: int | None
    """MAAS's id of the VLAN; None for a stand-alone pair."""
    dhcp_on: bool
    primary: str
    secondary: str
    failover: dict[str, str]
    """Member → its dhcpd's `own state/partner's state`, or why it is not known."""


def of(
    cluster: Cluster, vlans: Mapping[str, Vlan], names: Mapping[str, str], hosts: Mapping[str, AgentStatus | NoAnswer]
) -> list[SubnetStatus]:
    """Every pair of the stack file whose subnet is known: `vlans` by CIDR; `names` are the racks' by system_id."""
    found = []
    for pair in cluster.topology.dhcp:
        if isinstance(pair, IscDhcpPair):
            found.append(_of_isc(pair, hosts))
        elif vlan := vlans.get(str(pair.subnet)):
            found.append(_of_maas(pair, vlan, names, hosts))
    return found


def problems(cluster: Cluster, found: list[SubnetStatus]) -> list[str]:
    """What isn't as the stack file has it."""
    by_subnet = {status.subnet: status for status in found}
    told = []
    for pair in cluster.topology.dhcp:
        status = by_subnet.get(str(pair.subnet))
        enabled = pair.enabled if isinstance(pair, DhcpPair) else True
        wanted = (True, pair.primary, pair.secondary) if enabled else (False, "", "")
        if status is None:
            told.append(f"{pair.subnet}: MAAS knows no such subnet")
        elif (status.dhcp_on, status.primary, status.secondary) != wanted:
            told.append(
                f"{pair.subnet}: not served by {pair.primary} and {pair.secondary}"
                if enabled
                else f"{pair.subnet}: DHCP isn't off"
            )
        elif enabled:
            unwell = {member: state for member, state in status.failover.items() if state != NORMAL}
            told += [f"{pair.subnet}: {member}: {state}" for member, state in unwell.items()]
    return told


def _of_maas(
    pair: DhcpPair, vlan: Vlan, names: Mapping[str, str], hosts: Mapping[str, AgentStatus | NoAnswer]
) -> SubnetStatus:
    return SubnetStatus(
        subnet=str(pair.subnet),
        mode="maas",
        vlan=vlan.id,
        dhcp_on=vlan.dhcp_on,
        primary=names.get(vlan.primary, vlan.primary),
        secondary=names.get(vlan.secondary, vlan.secondary),
        failover=_failover(pair, peer_name(vlan), hosts) if pair.enabled else {},
    )


def _of_isc(pair: IscDhcpPair, hosts: Mapping[str, AgentStatus | NoAnswer]) -> SubnetStatus:
    return SubnetStatus(
        subnet=str(pair.subnet),
        mode="isc",
        vlan=None,
        dhcp_on=True,
        primary=pair.primary,
        secondary=pair.secondary,
        failover=_failover(pair, pair.peer, hosts),
    )


def _failover(pair: DhcpPair | IscDhcpPair, peer: str, hosts: Mapping[str, AgentStatus | NoAnswer]) -> dict[str, str]:
    """What each of the two says of `peer`."""
    members = {member: hosts[member] for member in (pair.primary, pair.secondary)}
    return {
        member: found.reason if isinstance(found, NoAnswer) else found.dhcp.get(peer, "no failover peer")
        for member, found in members.items()
    }
