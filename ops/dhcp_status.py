"""DHCP as it is: what MAAS says of its VLANs, and what the dhcpd of every pair say of each other."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

from pydantic import BaseModel

from agent.handover import peer_name
from agent.maas_api import MaasApi
from config.stack_file import Cluster
from config.topology import DhcpPair, IscDhcpPair
from ops.hosts import Answer, NoAnswer, ask_all

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


def read(cluster: Cluster, api: MaasApi, names: dict[str, str]) -> list[SubnetStatus]:
    """Every pair of the stack file whose subnet is known; `names` are the racks' by system_id."""
    members = sorted({name for pair in cluster.topology.dhcp for name in (pair.primary, pair.secondary)})
    answers = asyncio.run(ask_all(cluster, members, "status"))
    found = (
        _of_maas(pair, api, names, answers) if isinstance(pair, DhcpPair) else _of_isc(pair, answers)
        for pair in cluster.topology.dhcp
    )
    return [status for status in found if status is not None]


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
    pair: DhcpPair, api: MaasApi, names: dict[str, str], answers: dict[str, Answer | NoAnswer]
) -> SubnetStatus | None:
    subnet = api.subnet(str(pair.subnet))
    if subnet is None:
        return None
    vlan = api.vlan(subnet.vlan)
    return SubnetStatus(
        subnet=subnet.cidr,
        mode="maas",
        vlan=vlan.id,
        dhcp_on=vlan.dhcp_on,
        primary=names.get(vlan.primary, vlan.primary),
        secondary=names.get(vlan.secondary, vlan.secondary),
        failover=_failover(pair, peer_name(vlan), answers) if pair.enabled else {},
    )


def _of_isc(pair: IscDhcpPair, answers: dict[str, Answer | NoAnswer]) -> SubnetStatus:
    return SubnetStatus(
        subnet=str(pair.subnet),
        mode="isc",
        vlan=None,
        dhcp_on=True,
        primary=pair.primary,
        secondary=pair.secondary,
        failover=_failover(pair, pair.peer, answers),
    )


def _failover(pair: DhcpPair | IscDhcpPair, peer: str, answers: dict[str, Answer | NoAnswer]) -> dict[str, str]:
    """What each of the two says of `peer`."""
    found = {}
    for member in (pair.primary, pair.secondary):
        answer = answers[member]
        if isinstance(answer, NoAnswer):
            found[member] = answer.reason
        else:
            found[member] = json.loads(answer.stdout or "{}").get("dhcp", {}).get(peer, "no failover peer")
    return found
