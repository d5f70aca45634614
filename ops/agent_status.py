"""What a host's agent tells of itself (agent/status.py), as types."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.hosts import Answer, NoAnswer


class Connections(BaseModel):
    """Of a PostgreSQL."""

    used: int | None
    """None where the server doesn't answer."""
    allowed: int
    """For MAAS's role."""


class Told(BaseModel):
    """What the role of one component tells; each role has names of its own."""

    model_config = ConfigDict(extra="ignore")

    regions: dict[str, str] | None = None
    """Region → its state at a balancer."""
    connections: Connections | None = None
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


def read(answer: Answer | NoAnswer) -> AgentStatus | NoAnswer:
    """The answer to `status`."""
    if isinstance(answer, NoAnswer):
        return answer
    try:
        return AgentStatus.model_validate(json.loads(answer.stdout))
    except (ValidationError, json.JSONDecodeError):
        return NoAnswer(f"the agent there gave no answer (exit {answer.exit_status})")
