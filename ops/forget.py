"""The way out when a machine is gone for good: the engine's state loses every command that would have to run there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pydantic import BaseModel, ConfigDict, Field

from ops.engine import COMMAND, EngineError, pulumi

BOOTSTRAP = "bootstrap"


class Resource(TypedDict, total=False):
    """What this module reads of a resource in a state."""

    urn: str
    type: str
    inputs: dict[str, object]
    dependencies: list[str]
    propertyDependencies: dict[str, list[str] | None]


class Connection(BaseModel):
    """What a command of the host is given to reach it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str
    port: int
    host_key: str = Field(alias="hostKey")
    """`TYPE BASE64`, as in known_hosts."""


@dataclass(frozen=True)
class Forgotten:
    """What was, or would be, taken out of the state."""

    state: str
    """The state without it, as JSON."""
    names: tuple[str, ...]


def without_host(exported: str, host: str) -> Forgotten:
    """The exported state without the commands of `host`. Raises `EngineError` if the state has no such host."""
    state = json.loads(exported)
    resources = _resources(state)
    commands = _commands(resources)
    identity = next((_identity(item) for item in commands if _name(item) == f"{host}-{BOOTSTRAP}"), None)
    if identity is None:
        known = sorted(
            _name(item).removesuffix(f"-{BOOTSTRAP}") for item in commands if _name(item).endswith(BOOTSTRAP)
        )
        raise EngineError(f"the state knows no host {host!r}; it knows {', '.join(known) or 'none'}")
    gone = {item["urn"] for item in commands if _identity(item) == identity}
    kept = [_without_references(item, gone) for item in resources if item["urn"] not in gone]
    state["deployment"]["resources"] = kept
    return Forgotten(json.dumps(state), tuple(sorted(urn.rsplit("::", 1)[1] for urn in gone)))


def forget(stack: str, project: Path, host: str) -> tuple[str, ...]:
    """Take `host`'s commands out of the state of `stack`; their names. Nothing is done on any machine."""
    forgotten = without_host(pulumi(stack, project, "stack", "export"), host)
    pulumi(stack, project, "stack", "import", stdin=forgotten.state)
    return forgotten.names


def connection_of(exported: str, host: str) -> Connection:
    """How the state, exported with its secrets, reaches `host`. Raises `EngineError` if it has no such host."""
    for item in _commands(_resources(json.loads(exported))):
        if _name(item) == f"{host}-{BOOTSTRAP}":
            given = item["inputs"]["connection"]
            if isinstance(given, dict) and "plaintext" in given:
                given = json.loads(given["plaintext"])
            return Connection.model_validate(given)
    raise EngineError(f"the state knows no host {host!r}")


def _resources(state: dict[str, dict[str, list[Resource]] | None]) -> list[Resource]:
    return (state.get("deployment") or {}).get("resources") or []


def _commands(resources: list[Resource]) -> list[Resource]:
    return [resource for resource in resources if resource.get("type") == COMMAND]


def _name(resource: Resource) -> str:
    return resource["urn"].rsplit("::", 1)[1]


def _identity(resource: Resource) -> str:
    """The host's name and key, which every command carries as its triggers."""
    return json.dumps(resource.get("inputs", {}).get("triggers"))


def _without_references(resource: Resource, gone: set[str]) -> Resource:
    left = resource.copy()
    if "dependencies" in left:
        left["dependencies"] = [urn for urn in left["dependencies"] if urn not in gone]
    if "propertyDependencies" in left:
        left["propertyDependencies"] = {
            name: [urn for urn in urns or [] if urn not in gone] for name, urns in left["propertyDependencies"].items()
        }
    return left
