"""What MAAS itself says of a cluster, within a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from pydantic import ValidationError

from agent.errors import StepError
from agent.maas_api import Rack, Region, Vlan
from config.stack_file import Cluster
from config.topology import DhcpPair
from ops.racks import event_loop_ends
from ops.stack import Outputs, api_of

MAAS_SECONDS = 20.0
"""Longest that MAAS is waited for, as long as for a host."""


@dataclass(frozen=True)
class Maas:
    """What MAAS says; nothing where it doesn't answer."""

    problem: str = ""
    ends: Mapping[str, str] = field(default_factory=dict)
    """`ADDRESS:PORT` → event loop."""
    regions: Sequence[Region] = ()
    racks: Sequence[Rack] = ()
    vlans: Mapping[str, Vlan] = field(default_factory=dict)
    """By CIDR of the stack file's DHCP entries, of which MAAS may not know all."""


async def said_in_time(cluster: Cluster, outputs: Outputs) -> Maas:
    """Ask MAAS in a thread that nobody waits for longer than `MAAS_SECONDS`."""
    asked: Future[Maas] = Future()
    asked.set_running_or_notify_cancel()  # from here on nobody else ends it
    threading.Thread(target=lambda: asked.set_result(_ask_maas(cluster, outputs)), daemon=True).start()
    try:
        async with asyncio.timeout(MAAS_SECONDS):
            return await asyncio.wrap_future(asked)
    except TimeoutError:
        return Maas(f"MAAS behind {outputs.api_url}: no answer within {MAAS_SECONDS:.0f} s")


def _ask_maas(cluster: Cluster, outputs: Outputs) -> Maas:
    pairs = [str(pair.subnet) for pair in cluster.topology.dhcp if isinstance(pair, DhcpPair)]
    try:
        api = api_of(cluster, outputs)
        subnets = [subnet for cidr in pairs if (subnet := api.subnet(cidr)) is not None]
        return Maas(
            ends=event_loop_ends(outputs),
            regions=sorted(api.regions(), key=lambda region: region.hostname),
            racks=sorted(api.racks(), key=lambda rack: rack.hostname),
            vlans={subnet.cidr: api.vlan(subnet.vlan) for subnet in subnets},
        )
    except (StepError, OSError, ValidationError) as error:
        return Maas(f"MAAS behind {outputs.api_url}: {error}")
