"""The racks: what MAAS says of each, and what the rack's own kernel says of its connections."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from agent.controllers import short_version
from agent.errors import StepError
from agent.maas_api import MaasApi
from agent.maas_api import Rack as MaasRack
from agent.maas_http import read_json
from agent.rack_vlans import Served, served_vlans
from agent.rpc_connections import endpoint
from config import stack_file
from config.stack_file import Cluster
from ops import agent_status
from ops.engine import EngineError
from ops.hosts import Answer, NoAnswer, ask_all
from ops.stack import Outputs, api_of, read_outputs


class ServedVlan(BaseModel):
    """A VLAN that a rack serves."""

    vlan: int
    """MAAS's id."""
    subnets: list[str]
    role: str
    """`primary` or `secondary`."""
    dhcp_on: bool


class RackReport(BaseModel):
    """One rack controller."""

    name: str
    system_id: str = ""
    """Empty where MAAS knows no such rack."""
    version: str = ""
    services: dict[str, str] = Field(default_factory=dict)
    """MAAS's `service_set`: name → status, and its remark in brackets."""
    vlans: list[ServedVlan] = Field(default_factory=list)
    event_loops: list[str] | None = None
    """Those that the rack itself is connected to, `REGION:pid=N`; null where its host can't be asked."""
    problems: list[str] = Field(default_factory=list)


class Racks(BaseModel):
    """All racks, and the event loops that each should be connected to."""

    api_url: str
    event_loops: list[str]
    racks: list[RackReport]

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, with the rack's name."""
        return [f"{rack.name}: {problem}" for rack in self.racks for problem in rack.problems]


class _Rpc(BaseModel):
    """`/MAAS/rpc/`: event loop → its addresses and ports (maas-facts §4.2)."""

    eventloops: dict[str, list[tuple[str, int]]] | None


def read(stack: str, project: Path) -> Racks:
    """The racks of `stack`. Raises `StackFileError` or `EngineError`."""
    cluster, outputs = stack_file.read(stack, project), read_outputs(stack, project)
    answers = asyncio.run(ask_all(cluster, list(cluster.topology.racks), "status"))
    try:
        return _read(cluster, outputs, api_of(cluster, outputs), answers)
    except (StepError, OSError, ValidationError) as error:
        raise EngineError(f"MAAS behind {outputs.api_url}: {error}") from None


def _read(cluster: Cluster, outputs: Outputs, api: MaasApi, answers: Mapping[str, Answer | NoAnswer]) -> Racks:
    ends = event_loop_ends(outputs)
    known = {rack.hostname: rack for rack in api.racks()}
    served = served_vlans(api)
    racks = [
        _report(name, known.get(name), served, answers.get(name), ends)
        for name in sorted({*cluster.topology.racks, *known})
    ]
    return Racks(api_url=outputs.api_url, event_loops=sorted(set(ends.values())), racks=racks)


def event_loop_ends(outputs: Outputs) -> dict[str, str]:
    """`ADDRESS:PORT` → event loop."""
    request = urllib.request.Request(f"{outputs.api_url}/rpc/")  # noqa: S310 - the stack's own output
    listed = _Rpc.model_validate(read_json(request, outputs.ca_certificate)).eventloops or {}
    return {endpoint(address, port): name for name, ends in listed.items() for address, port in ends}


def _report(
    name: str,
    rack: MaasRack | None,
    served: Sequence[Served],
    answer: Answer | NoAnswer | None,
    ends: Mapping[str, str],
) -> RackReport:
    found = RackReport(name=name)
    if rack is None:
        found.problems.append("MAAS knows no such rack")
    else:
        found.system_id, found.version, found.services = rack.system_id, short_version(rack.version), rack.services
        found.vlans = [_served(one, role) for one in served if (role := one.role_of(rack.system_id))]
        found.problems += _service_problems(rack)
    if answer is None:
        found.problems.append("it is not in the stack file: delete it in MAAS, or add it")
    elif isinstance(answer, NoAnswer):
        found.problems.append(f"its host was not asked: {answer.reason}")
    else:
        _add_connections(found, answer, ends)
    return found


def _served(one: Served, role: str) -> ServedVlan:
    return ServedVlan(vlan=one.vlan.id, subnets=list(one.subnets), role=role, dhcp_on=one.vlan.dhcp_on)


def _service_problems(rack: MaasRack) -> list[str]:
    """`off` is what MAAS doesn't want to run, `unknown` what it hasn't heard of yet."""
    problems = []
    for name, status in rack.services.items():
        word = status.partition(" ")[0]
        if word in ("dead", "degraded") or (name == "rackd" and word != "running"):
            problems.append(f"{name} is {status}")
    return problems


def _add_connections(found: RackReport, answer: Answer, ends: Mapping[str, str]) -> None:
    seen = agent_status.read(answer)
    if isinstance(seen, NoAnswer):
        found.problems.append(seen.reason)
        return
    found.event_loops = sorted({ends.get(end, f"unknown at {end}") for end in seen.event_loops})
    if missing := sorted(set(ends.values()) - set(found.event_loops)):
        found.problems.append(f"not connected to {', '.join(missing)}")
