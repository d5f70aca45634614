"""The engine's preview as types: which command will run where, and what is behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ops.engine import COMMAND

COMPONENT = "maas:index:"

UPGRADE, VERSION = "Upgrade", "maas_version"
"""Kind of a step that comes before the first region's, and the setting that makes it do something."""

Inputs = Mapping[str, object]
Operation = Literal["create", "update", "delete", "replace"]

OPERATIONS: Mapping[str, Operation] = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
}
"""The engine's word → ours; what is missing here changes nothing on a host."""


class _State(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str
    parent: str = ""
    inputs: dict[str, object] = Field(default_factory=dict)
    sources: dict[str, list[str] | None] = Field(default_factory=dict, alias="propertyDependencies")


class Step(BaseModel):
    """What the engine will do to one resource."""

    model_config = ConfigDict(extra="ignore")

    op: str
    urn: str
    old: _State | None = Field(None, alias="oldState")
    new: _State | None = Field(None, alias="newState")
    reasons: list[str] = Field(default_factory=list, alias="diffReasons")
    """Inputs that differ."""

    @property
    def name(self) -> str:
        """Name of the resource."""
        return self.urn.rsplit("::", 1)[1]

    @property
    def state(self) -> _State:
        """The state that tells type and parent."""
        state = self.new or self.old
        return state if state is not None else _State(type="", propertyDependencies={})

    @property
    def kind(self) -> str:
        """`RegionController`; "" for what is no component."""
        kind = self.state.type
        return kind.removeprefix(COMPONENT) if kind.startswith(COMPONENT) else ""

    @property
    def inputs(self) -> tuple[Inputs, Inputs]:
        """Inputs before and after."""
        return (self.old.inputs if self.old else {}), (self.new.inputs if self.new else {})


class _Steps(BaseModel):
    model_config = ConfigDict(extra="ignore")

    steps: list[Step] = Field(default_factory=list)


@dataclass(frozen=True)
class Transaction:
    """A command that will run, and the component that it belongs to."""

    command: Step
    component: Step
    operation: Operation
    causes: tuple[str, ...]
    """Names of what its standard input comes from and that changes too."""

    @property
    def host(self) -> str:
        """Name of the host, which every command carries as its first trigger."""
        old, new = self.command.inputs
        triggers = (new or old).get("triggers")
        return str(triggers[0]) if isinstance(triggers, list) and triggers else "?"

    @property
    def shown(self) -> tuple[Inputs, Inputs]:
        """Inputs of the component before and after; of the sides of a pair or of a cluster that of this host."""
        old, new = self.component.inputs
        return _side(old, self.host), _side(new, self.host)


@dataclass(frozen=True)
class Preview:
    """All that the engine will do, in its order."""

    steps: tuple[Step, ...]

    @classmethod
    def read(cls, text: str) -> Preview:
        """What `pulumi preview --json` printed."""
        return cls(tuple(_Steps.model_validate(json.loads(text)).steps))

    def transactions(self) -> Iterator[Transaction]:
        """Every command that will run, once."""
        components = {step.urn: step for step in self.steps if step.kind}
        changing = {step.urn: step for step in self.steps if step.op in OPERATIONS and not step.kind}
        seen: set[str] = set()
        for step in self.steps:
            operation = OPERATIONS.get(step.op)
            if step.state.type != COMMAND or operation is None or step.urn in seen:
                continue
            seen.add(step.urn)  # a replacement has several steps
            sources = step.state.sources.get("stdin") or []
            causes = tuple(sorted(changing[source].name for source in sources if source in changing))
            component = components.get(step.state.parent, step)
            yield Transaction(step, _upgrade(step, component) or component, operation, causes)

    def of_kind(self, kind: str) -> list[Step]:
        """Every component of this kind, also those that stay as they are."""
        return [step for step in self.steps if step.kind == kind]


def _upgrade(command: Step, host: Step) -> Step | None:
    """What stands for the component of a step of an upgrade, which has none: the host's version; else None."""
    if host.kind != "Host" or command.name == f"{host.name}-bootstrap":
        return None
    before, after = (mapping(inputs.get("settings")) for inputs in host.inputs)
    states = [
        _State(type=f"{COMPONENT}{UPGRADE}", inputs={"settings": {name: told.get(name) for name in ("roles", VERSION)}})
        for told in (before, after)
    ]
    return Step(op=command.op, urn=command.urn, oldState=states[0], newState=states[1])


def mapping(value: object) -> Inputs:
    """`value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _side(inputs: Inputs, host: str) -> Inputs:
    """The inputs, of the sides of several hosts only their names, and what is in the side of `host`."""
    sides = {name: side for name, value in inputs.items() if "host" in (side := mapping(value))}
    own = next((side for side in sides.values() if side["host"] == host), {})
    named = {name: side["host"] for name, side in sides.items()}
    return {**inputs, **named, **{name: value for name, value in own.items() if name != "host"}}
