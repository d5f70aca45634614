"""What an update will do to which host: the engine's preview, read for an operator."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from agent.bundle import MARKER
from agent.consequences import MANNERS, Consequence
from ops.engine import pulumi
from ops.felt import feel, has_files
from ops.preview import UPGRADE, Inputs, Operation, Preview, Transaction, mapping

EFFECTS, PACKAGES, FELT, SETTINGS = "effects", "packages", "felt", "settings"
"""Inputs of a component beside its files (components/render.py)."""

UNSHOWN = "secret"
"""What is said where a command's standard input is another, and nothing that may be shown."""


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
    consequence: Consequence = Consequence.NOTHING
    effects: list[str] = Field(default_factory=list)
    """What units that run will feel, each once: `restart maas-regiond.service`."""
    files: list[FileChange] = Field(default_factory=list)
    settings: list[str] = Field(default_factory=list)
    """`name: old → new` of what is in no file."""
    packages: list[str] = Field(default_factory=list)
    """`+name` and `-name`."""
    secret: str = ""
    """What changed where nothing of it may be shown: a secret, and the resources that it comes from."""
    perhaps: list[str] = Field(default_factory=list)
    """What units feel whose files hold a secret, where nothing else changes: a preview doesn't show which secret."""


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


def read(stack: str, project: Path) -> Plan:
    """The plan of the stack file as it is. Raises `EngineError`; the engine asks no host.

    What stays the same is asked for as well: a command may change for a secret alone, a rack's restart stop its dhcpd.
    """
    return of_preview(stack, pulumi(stack, project, "preview", "--json", "--show-sames"))


def of_preview(stack: str, printed: str) -> Plan:
    """The plan in what `pulumi preview --json` printed."""
    preview = Preview.read(printed)
    by_host: dict[str, list[ComponentPlan]] = {}
    for transaction in preview.transactions():
        if transaction.component.kind == UPGRADE and transaction.operation != "update":
            continue  # where a controller comes or goes it does nothing
        by_host.setdefault(transaction.host, []).append(_component(preview, transaction))
    hosts = [HostPlan(host=host, components=components) for host, components in by_host.items()]
    return Plan(stack=stack, summary=summary(hosts), hosts=hosts)


def _component(preview: Preview, transaction: Transaction) -> ComponentPlan:
    old, new = transaction.shown
    before: Inputs = {} if transaction.operation == "create" else old
    after: Inputs = {} if transaction.operation == "delete" else new
    files = list(_files(before, after))
    settings = list(_settings(before, after)) if transaction.operation == "update" else []
    packages = list(_packages(str(before.get(PACKAGES, "")), str(after.get(PACKAGES, ""))))
    felt = feel(preview, transaction, [file.effect for file in files])
    hidden = "" if transaction.operation != "update" or files or settings or packages else _hidden(transaction)
    return ComponentPlan(
        component=transaction.component.name,
        kind=transaction.component.kind,
        operation=transaction.operation,
        consequence=felt.consequence,
        effects=list(felt.effects),
        files=files,
        settings=settings,
        packages=packages,
        secret=hidden,
        perhaps=list(_of_secrets(after)) if hidden.startswith(UNSHOWN) and has_files(transaction) else [],
    )


def _hidden(transaction: Transaction) -> str:
    """`connection`, or `secret`, of which only the origin may be told."""
    reasons = sorted(set(transaction.command.reasons) - {"stdin"})
    if reasons:
        return ", ".join(reasons)
    return f"{UNSHOWN}{': ' if transaction.causes else ''}{', '.join(transaction.causes)}"


def _of_secrets(inputs: Inputs) -> Iterator[str]:
    """What a change of this component's secrets can be felt as, each once."""
    effects = mapping(inputs.get(EFFECTS))
    texts = {path: str(text) for path, text in inputs.items() if path.startswith("/")}
    found = dict.fromkeys(effects.get(path) for path, text in texts.items() if MARKER.search(text))
    yield from (str(effect) for effect in found if effect not in (None, "nothing"))


def _files(old: Inputs, new: Inputs) -> Iterator[FileChange]:
    effects = {**mapping(old.get(EFFECTS)), **mapping(new.get(EFFECTS))}
    felt_before, felt_after = mapping(old.get(FELT)), mapping(new.get(FELT))
    silent = {path for path, part in felt_after.items() if felt_before.get(path) == part}
    for path in dict.fromkeys((*old, *new)):
        if path.startswith("/") and old.get(path) != new.get(path):
            effect = "nothing" if path in silent else str(effects.get(path, "nothing"))
            yield FileChange(path=path, diff=_diff(path, old.get(path), new.get(path)), effect=effect)


def _diff(path: str, old: object, new: object) -> str:
    before, after = (str(text).splitlines() if text is not None else [] for text in (old, new))
    lines = difflib.unified_diff(
        before, after, path if old is not None else "/dev/null", path if new is not None else "/dev/null", lineterm=""
    )
    return "\n".join(lines)


def _settings(old: Inputs, new: Inputs) -> Iterator[str]:
    before, after = _told(old), _told(new)
    for name in dict.fromkeys((*before, *after)):
        was, will = str(before.get(name, "none")), str(after.get(name, "none"))
        if was == will:
            continue
        changes = list(_packages(was, will))
        yield f"{name}: {' '.join(changes) if ' ' in f'{was}{will}' and ' to ' not in was else f'{was} → {will}'}"


def _told(inputs: Inputs) -> Inputs:
    own = {name: value for name, value in inputs.items() if not name.startswith("/")}
    return {
        **{name: value for name, value in own.items() if name not in (EFFECTS, PACKAGES, FELT, SETTINGS)},
        **mapping(inputs.get(SETTINGS)),
    }


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
    perhaps = [effect for component in components for effect in component.perhaps]
    for effect in dict.fromkeys(perhaps):
        verb, _, unit = effect.partition(" ")
        parts.append(f"perhaps {_count(perhaps.count(effect), verb)} of {unit.removesuffix('.service')}")
    for operation, words in (("create", "made"), ("delete", "removed"), ("replace", "made anew")):
        number = sum(component.operation == operation and component.kind != "Host" for component in components)
        if number:
            parts.append(f"{_count(number, 'component')} {words}")
    for consequence in MANNERS:
        names = dict.fromkeys(component.component for component in components if component.consequence is consequence)
        if names:
            parts.append(f"{consequence.value}: {' and '.join(names) if len(names) < 4 else len(names)}")
    if not any(component.kind.startswith("Postgres") for component in components):
        parts.append("PostgreSQL untouched")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
