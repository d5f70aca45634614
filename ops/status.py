"""What a running cluster looks like: MAAS's own answers, and what the racks' dhcpd say of each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from agent.controllers import mixed_versions
from agent.errors import StepError
from agent.maas_api import MaasApi, event_loops
from config import stack_file
from config.stack_file import Cluster
from ops import dhcp_status
from ops.dhcp_status import SubnetStatus
from ops.engine import EngineError
from ops.stack import Outputs, api_of, read_outputs


class RegionStatus(BaseModel):
    """One region controller."""

    name: str
    system_id: str
    version: str
    event_loops: int
    """As `/MAAS/rpc/` behind the balanced address lists them."""


class RackStatus(BaseModel):
    """One rack controller."""

    name: str
    system_id: str
    version: str
    rackd: str
    """MAAS's word: `running` is connected to every event loop."""


class Status(BaseModel):
    """The cluster."""

    api_url: str
    regions: list[RegionStatus]
    racks: list[RackStatus]
    dhcp: list[SubnetStatus]
    problems: list[str]
    """What is not as the stack file wants it; empty when all is well."""


def read(stack: str, project: Path) -> Status:
    """The status of `stack`. Raises `StackFileError` or `EngineError`."""
    cluster, outputs = stack_file.read(stack, project), read_outputs(stack, project)
    try:
        return _read(cluster, outputs, api_of(cluster, outputs))
    except (StepError, OSError) as error:
        raise EngineError(f"MAAS behind {outputs.api_url}: {error}") from None


def _read(cluster: Cluster, outputs: Outputs, api: MaasApi) -> Status:
    loops = [name.partition(":")[0] for name in event_loops(outputs.api_url, outputs.ca_certificate)]
    regions = [
        RegionStatus(
            name=region.hostname,
            system_id=region.system_id,
            version=region.version,
            event_loops=loops.count(region.hostname),
        )
        for region in sorted(api.regions(), key=lambda region: region.hostname)
    ]
    racks = [
        RackStatus(
            name=rack.hostname,
            system_id=rack.system_id,
            version=rack.version,
            rackd=rack.services.get("rackd", "unknown"),
        )
        for rack in sorted(api.racks(), key=lambda rack: rack.hostname)
    ]
    names = {rack.system_id: rack.name for rack in racks}
    dhcp = dhcp_status.read(cluster, api, names)
    problems = [
        *_version_problems(regions, racks),
        *_region_problems(cluster, regions),
        *_rack_problems(cluster, racks),
        *dhcp_status.problems(cluster, dhcp),
    ]
    return Status(api_url=outputs.api_url, regions=regions, racks=racks, dhcp=dhcp, problems=problems)


def _version_problems(regions: Sequence[RegionStatus], racks: Sequence[RackStatus]) -> list[str]:
    """Controllers of different versions, which MAAS takes and only shows a notice of (maas-facts §9)."""
    versions = {**{region.name: region.version for region in regions}, **{rack.name: rack.version for rack in racks}}
    mixed = mixed_versions(versions)
    return [f"versions differ: {mixed}; finish the upgrade: racks first, then regions"] if mixed else []


def _region_problems(cluster: Cluster, regions: list[RegionStatus]) -> list[str]:
    found = {region.name: region for region in regions}
    problems = [f"{name}: MAAS knows no such region" for name in cluster.topology.regions if name not in found]
    for name, settings in cluster.topology.regions.items():
        if name in found and found[name].event_loops < settings.workers:
            problems.append(f"{name}: {found[name].event_loops} of {settings.workers} event loops are listed")
    return problems


def _rack_problems(cluster: Cluster, racks: list[RackStatus]) -> list[str]:
    found = {rack.name: rack.rackd for rack in racks}
    problems = [f"{name}: MAAS knows no such rack" for name in cluster.topology.racks if name not in found]
    problems += [f"{name}: rackd is {state}" for name, state in found.items() if state != "running"]
    return problems
