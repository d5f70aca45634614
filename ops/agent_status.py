"""What a host's agent tells of itself (agent/status.py), as types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.hosts import Answer, NoAnswer


class Connections(BaseModel):
    """Of a PostgreSQL."""

    used: int | None
    """None where the server doesn't answer."""
    allowed: int
    """For MAAS's role."""


class Member(BaseModel):
    """A PostgreSQL's part in a cluster."""

    role: str
    """Patroni's word: `leader`, `sync standby`, `replica`."""
    state: str
    lag_bytes: int | None


class SharedAddress(BaseModel):
    """An address that balancers share."""

    address: str
    held: bool
    """By this host."""


class Told(BaseModel):
    """What the role of one component tells; each role has names of its own."""

    model_config = ConfigDict(extra="ignore")

    regions: dict[str, str] | None = None
    """Region → its state at a balancer."""
    connections: Connections | None = None
    member: Member | None = None
    etcd: str | None = None
    """Why a member of etcd doesn't work with the others; "" if it does."""
    leaders: list[str] | None = None
    """Hosts that lead the database, as the HAProxy beside a region sees it."""
    shared_address: SharedAddress | None = None
    certificates: dict[str, str] = Field(default_factory=dict)
    """What serves it → PEM."""


class AgentStatus(BaseModel):
    """One host."""

    model_config = ConfigDict(extra="ignore")

    told: dict[str, Told] = Field(default_factory=dict)
    """By component."""
    units: dict[str, str] = Field(default_factory=dict)
    dhcp: dict[str, str] = Field(default_factory=dict)
    """Failover peer → `own state/partner's state`."""
    event_loops: list[str]
    """`ADDRESS:PORT` of those that the host is connected to."""


def told_by(hosts: Mapping[str, AgentStatus | NoAnswer]) -> Iterator[tuple[str, Told]]:
    """Host and what one of its components tells, for every component of every host that answered."""
    for host, found in hosts.items():
        if isinstance(found, AgentStatus):
            yield from ((host, told) for told in found.told.values())


def read(answer: Answer | NoAnswer) -> AgentStatus | NoAnswer:
    """The answer to `status`."""
    if isinstance(answer, NoAnswer):
        return answer
    try:
        return AgentStatus.model_validate(json.loads(answer.stdout))
    except (ValidationError, json.JSONDecodeError):
        return answer.unreadable()
