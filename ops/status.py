"""What a running cluster looks like: MAAS's own answers, and what each host says, all asked at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from pydantic import BaseModel, Field

from agent.controllers import mixed_versions
from config import stack_file
from config.stack_file import Cluster
from ops import agent_status, database_status, dhcp_status
from ops.agent_status import AgentStatus, told_by
from ops.database_status import DatabaseStatus
from ops.dhcp_status import SubnetStatus
from ops.hosts import Answer, NoAnswer, ask_all
from ops.maas_said import Maas, said_in_time
from ops.stack import Outputs, read_outputs

EXPIRES_DAYS = 14
"""A certificate that is so near its end is a problem: a plain update replaces it 30 days before."""
WATCH_SECONDS = 2.0
"""From one look to the next."""


class BalancerStatus(BaseModel):
    """One load balancer."""

    host: str
    regions: dict[str, str]
    """Region → its state there: `UP`, `DOWN`, `DRAIN`, …"""
    holds: bool | None = None
    """Whether it has the address that balancers share; None where there is none."""


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
    regions: dict[str, str] = Field(default_factory=dict)
    """Region → `connected/listed` event loops; empty where the host can't be asked."""


class CertificateStatus(BaseModel):
    """A certificate and its end."""

    name: str
    expires: datetime
    days: int
    """Left, rounded down."""


class Status(BaseModel):
    """The cluster."""

    api_url: str
    databases: list[DatabaseStatus]
    balancers: list[BalancerStatus]
    regions: list[RegionStatus]
    racks: list[RackStatus]
    dhcp: list[SubnetStatus]
    certificates: list[CertificateStatus]
    problems: list[str]
    """What is not as the stack file wants it; empty when all is well."""


def first(stack: str, project: Path) -> tuple[Cluster, Outputs, Status]:
    """The first look at `stack`, and what stays the same from look to look; the engine is asked beside the hosts.

    Raises `StackFileError` or `EngineError`.
    """
    cluster = stack_file.read(stack, project)
    outputs, status = asyncio.run(_with_outputs(cluster, lambda: read_outputs(stack, project)))
    return cluster, outputs, status


def of(cluster: Cluster, outputs: Outputs) -> Status:
    """The status of a cluster whose stack has `outputs`; what doesn't answer in time is among the problems."""
    return asyncio.run(_with_outputs(cluster, lambda: outputs))[1]


async def _with_outputs(cluster: Cluster, read: Callable[[], Outputs]) -> tuple[Outputs, Status]:
    answering = asyncio.create_task(ask_all(cluster, list(cluster.topology.hosts), "status"))
    outputs = await asyncio.to_thread(read)
    maas = await said_in_time(cluster, outputs)
    return outputs, _status(cluster, outputs, maas, await answering)


def _status(cluster: Cluster, outputs: Outputs, maas: Maas, answers: Mapping[str, Answer | NoAnswer]) -> Status:
    hosts = {host: agent_status.read(answer) for host, answer in answers.items()}
    regions, racks = _regions(maas), _racks(maas, hosts)
    databases, balancers = database_status.of(hosts), _balancers(hosts)
    certificates = _certificates(outputs, hosts)
    dhcp = dhcp_status.of(cluster, maas.vlans, {rack.system_id: rack.hostname for rack in maas.racks}, hosts)
    problems = [
        *([maas.problem] if maas.problem else []),
        *(f"{host}: {found.reason}" for host, found in hosts.items() if isinstance(found, NoAnswer)),
        *database_status.problems(cluster, databases, hosts),
        *_balancer_problems(balancers),
        *_certificate_problems(certificates),
        *([] if maas.problem else _controller_problems(cluster, regions, racks)),
        *([] if maas.problem else dhcp_status.problems(cluster, dhcp)),
    ]
    return Status(
        api_url=outputs.api_url,
        databases=databases,
        balancers=balancers,
        regions=regions,
        racks=racks,
        dhcp=dhcp,
        certificates=certificates,
        problems=problems,
    )


def _region_of(event_loop: str) -> str:
    return event_loop.partition(":")[0]


def _regions(maas: Maas) -> list[RegionStatus]:
    loops = Counter(map(_region_of, set(maas.ends.values())))
    return [
        RegionStatus(
            name=region.hostname,
            system_id=region.system_id,
            version=region.version,
            event_loops=loops[region.hostname],
        )
        for region in maas.regions
    ]


def _racks(maas: Maas, hosts: Mapping[str, AgentStatus | NoAnswer]) -> list[RackStatus]:
    return [
        RackStatus(
            name=rack.hostname,
            system_id=rack.system_id,
            version=rack.version,
            rackd=rack.services.get("rackd", "unknown"),
            regions=_connected(maas, hosts.get(rack.hostname)),
        )
        for rack in maas.racks
    ]


def _connected(maas: Maas, host: AgentStatus | NoAnswer | None) -> dict[str, str]:
    if not isinstance(host, AgentStatus):
        return {}
    has = Counter(map(_region_of, {maas.ends[end] for end in host.event_loops if end in maas.ends}))
    listed = Counter(map(_region_of, set(maas.ends.values())))
    return {region: f"{has[region]}/{listed[region]}" for region in sorted(listed)}


def _balancers(hosts: Mapping[str, AgentStatus | NoAnswer]) -> list[BalancerStatus]:
    holds = {host: told.shared_address.held for host, told in told_by(hosts) if told.shared_address}
    return [
        BalancerStatus(host=host, regions=told.regions, holds=holds.get(host))
        for host, told in told_by(hosts)
        if told.regions is not None
    ]


def _certificates(outputs: Outputs, hosts: Mapping[str, AgentStatus | NoAnswer]) -> list[CertificateStatus]:
    texts = {"authority": outputs.ca_certificate} if outputs.ca_certificate else {}
    texts |= {f"{name} on {host}": pem for host, told in told_by(hosts) for name, pem in told.certificates.items()}
    return [_certificate(name, pem) for name, pem in texts.items()]


def _certificate(name: str, pem: str) -> CertificateStatus:
    expires = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    return CertificateStatus(name=name, expires=expires, days=(expires - datetime.now(UTC)).days)


def _balancer_problems(balancers: Sequence[BalancerStatus]) -> list[str]:
    problems = [f"{balancer.host}: HAProxy doesn't answer" for balancer in balancers if not balancer.regions]
    for balancer in balancers:
        down = {region: state for region, state in balancer.regions.items() if not state.startswith("UP")}
        problems += [f"{balancer.host}: {region} is {state}" for region, state in down.items()]
    sharing = [balancer for balancer in balancers if balancer.holds is not None]
    holders = [balancer.host for balancer in sharing if balancer.holds]
    if len(holders) > 1:
        problems.append(f"{' and '.join(holders)} have the shared address at once")
    if sharing and not holders:
        problems.append("no balancer that answers has the shared address")
    return problems


def _certificate_problems(certificates: Sequence[CertificateStatus]) -> list[str]:
    return [
        f"certificate of {found.name}: {found.days} days left: run `pulumi up`"
        for found in certificates
        if found.days < EXPIRES_DAYS
    ]


def _controller_problems(cluster: Cluster, regions: Sequence[RegionStatus], racks: Sequence[RackStatus]) -> list[str]:
    return [*_version_problems(regions, racks), *_region_problems(cluster, regions), *_rack_problems(cluster, racks)]


def _version_problems(regions: Sequence[RegionStatus], racks: Sequence[RackStatus]) -> list[str]:
    """Controllers of different versions, which MAAS takes and only shows a notice of (maas-facts §9)."""
    versions = {**{region.name: region.version for region in regions}, **{rack.name: rack.version for rack in racks}}
    mixed = mixed_versions(versions)
    return [f"versions differ: {mixed}; finish the upgrade: racks first, then regions"] if mixed else []


def _region_problems(cluster: Cluster, regions: Sequence[RegionStatus]) -> list[str]:
    found = {region.name: region for region in regions}
    problems = [f"{name}: MAAS knows no such region" for name in cluster.topology.regions if name not in found]
    for name, settings in cluster.topology.regions.items():
        if name in found and found[name].event_loops < settings.workers:
            problems.append(f"{name}: {found[name].event_loops} of {settings.workers} event loops are listed")
    return problems


def _rack_problems(cluster: Cluster, racks: Sequence[RackStatus]) -> list[str]:
    found = {rack.name: rack.rackd for rack in racks}
    problems = [f"{name}: MAAS knows no such rack" for name in cluster.topology.racks if name not in found]
    problems += [f"{name}: rackd is {state}" for name, state in found.items() if state != "running"]
    return problems
