"""What an update will do to which host: the engine's preview, read for an operator."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ops.engine import COMMAND, pulumi

COMPONENT = "maas:index:"

EFFECTS, PACKAGES, FELT = "effects", "packages", "felt"
"""Inputs of a component beside its files and settings (components/render.py)."""

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


class FileChange(BaseModel):
    """A file that gets another text, comes or goes."""

    path: str
    diff: str
    """Unified, without secrets: a text only names them."""
    effect: str
    """What its units feel: `restart maas-regiond.service`, or `nothing`."""


class ComponentPlan(BaseModel):
    """One transaction on a host."""

    component: str
    kind: str
    operation: Operation
    files: list[FileChange] = Field(default_factory=list)
    settings: list[str] = Field(default_factory=list)
    """`name: old → new` of what is in no file."""
    packages: list[str] = Field(default_factory=list)
    """`+name` and `-name`."""
    secret: bool = False
    """A secret changed, and nothing that may be shown."""

    @property
    def effects(self) -> list[str]:
        """What is felt on the host, each once."""
        felt = [part.strip() for file in self.files for part in file.effect.split(",")]
        return [effect for effect in dict.fromkeys(felt) if effect and effect != "nothing"]


class HostPlan(BaseModel):
    """Everything that will happen on one host, in order."""

    host: str
    components: list[ComponentPlan]


class Plan(BaseModel):
    """Everything that `pulumi up` will do, hosts in the order in which they are first touched."""

    stack: str
    summary: str
    hosts: list[HostPlan]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for all of it but the order, which the engine may vary."""
        parts = sorted(f"{host.host} {part.model_dump_json()}" for host in self.hosts for part in host.components)
        return hashlib.sha256("\n".join([self.stack, *parts]).encode()).hexdigest()[:12]


class _State(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str
    parent: str = ""
    inputs: dict[str, object] = Field(default_factory=dict)


class _Step(BaseModel):
    model_config = ConfigDict(extra="ignore")

    op: str
    urn: str
    old: _State | None = Field(None, alias="oldState")
    new: _State | None = Field(None, alias="newState")

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[1]

    @property
    def state(self) -> _State:
        """The state that tells type and parent."""
        state = self.new or self.old
        return state if state is not None else _State(type="")

    def inputs(self) -> tuple[dict[str, object], dict[str, object]]:
        """Inputs before and after."""
        return (self.old.inputs if self.old else {}), (self.new.inputs if self.new else {})


class _Preview(BaseModel):
    model_config = ConfigDict(extra="ignore")

    steps: list[_Step] = Field(default_factory=list)


@dataclass(frozen=True)
class _Transaction:
    """A command that will run, and the component that it belongs to."""

    command: _Step
    component: _Step
    operation: Operation

    @property
    def host(self) -> str:
        old, new = self.command.inputs()
        triggers = (new or old).get("triggers")
        return str(triggers[0]) if isinstance(triggers, list) and triggers else "?"


def read(stack: str, project: Path) -> Plan:
    """The plan of the stack file as it is. Raises `EngineError`; the engine asks no host."""
    return of_preview(stack, pulumi(stack, project, "preview", "--json"))


def of_preview(stack: str, preview: str) -> Plan:
    """The plan in what `pulumi preview --json` printed."""
    steps = _Preview.model_validate(json.loads(preview)).steps
    by_host: dict[str, list[ComponentPlan]] = {}
    for transaction in _transactions(steps):
        by_host.setdefault(transaction.host, []).append(_component(transaction))
    hosts = [HostPlan(host=host, components=components) for host, components in by_host.items()]
    return Plan(stack=stack, summary=summary(hosts), hosts=hosts)


def _transactions(steps: Sequence[_Step]) -> Iterator[_Transaction]:
    components = {step.urn: step for step in steps if step.state.type.startswith(COMPONENT)}
    seen: set[str] = set()
    for step in steps:
        operation = OPERATIONS.get(step.op)
        if step.state.type != COMMAND or operation is None or step.urn in seen:
            continue
        seen.add(step.urn)  # a replacement has several steps
        yield _Transaction(step, components.get(step.state.parent, step), operation)


def _component(transaction: _Transaction) -> ComponentPlan:
    old, new = transaction.component.inputs()
    if transaction.operation == "create":
        old = {}
    elif transaction.operation == "delete":
        new = {}
    effects = {**_mapping(old.get(EFFECTS)), **_mapping(new.get(EFFECTS))}
    felt_before, felt_after = _mapping(old.get(FELT)), _mapping(new.get(FELT))
    effects |= {path: "nothing" for path, part in felt_after.items() if felt_before.get(path) == part}
    files = [
        FileChange(path=path, diff=_diff(path, old.get(path), new.get(path)), effect=str(effects.get(path, "nothing")))
        for path in dict.fromkeys((*old, *new))
        if path.startswith("/") and old.get(path) != new.get(path)
    ]
    settings = list(_settings(old, new))
    packages = list(_packages(str(old.get(PACKAGES, "")), str(new.get(PACKAGES, ""))))
    return ComponentPlan(
        component=transaction.component.name,
        kind=transaction.component.state.type.removeprefix(COMPONENT),
        operation=transaction.operation,
        files=files,
        settings=settings if transaction.operation == "update" else [],
        packages=packages,
        secret=transaction.operation == "update" and not (files or settings or packages),
    )


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _diff(path: str, old: object, new: object) -> str:
    before, after = (str(text).splitlines() if text is not None else [] for text in (old, new))
    lines = difflib.unified_diff(
        before, after, path if old is not None else "/dev/null", path if new is not None else "/dev/null", lineterm=""
    )
    return "\n".join(lines)


def _settings(old: dict[str, object], new: dict[str, object]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        is_setting = not name.startswith("/") and name not in (EFFECTS, PACKAGES, FELT)
        if is_setting and old.get(name) != new.get(name):
            yield f"{name}: {old.get(name)} → {new.get(name)}"


def _packages(old: str, new: str) -> Iterator[str]:
    before, after = set(old.split()), set(new.split())
    yield from (f"+{name}" for name in sorted(after - before))
    yield from (f"-{name}" for name in sorted(before - after))


def summary(hosts: Sequence[HostPlan]) -> str:
    """One line: how many hosts, what is felt there, and whether the database is touched."""
    if not hosts:
        return "nothing to do"
    parts = [_count(len(hosts), "host")]
    components = [component for host in hosts for component in host.components]
    felt = [effect for component in components if component.operation == "update" for effect in component.effects]
    for effect in dict.fromkeys(felt):
        verb, _, unit = effect.partition(" ")
        parts.append(f"{_count(felt.count(effect), verb)} of {unit.removesuffix('.service')}")
    for operation, words in (("create", "made"), ("delete", "removed"), ("replace", "made anew")):
        number = sum(component.operation == operation and component.kind != "Host" for component in components)
        if number:
            parts.append(f"{_count(number, 'component')} {words}")
    if not any(component.kind.startswith("Postgres") for component in components):
        parts.append("PostgreSQL untouched")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
