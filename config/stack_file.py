"""A stack file's content as a checked topology, without the engine: what the program and `maas-ha check` both ask."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from config import database_password, host_keys, problems, rules
from config.finding import STACK_FILE, Finding, StackFileError
from config.topology import StackFile, Topology

Given = TypeVar("Given", bound=Topology)

LATER = "how values go together and the hosts' keys are looked at once these can be read"


@dataclass(frozen=True)
class Cluster:
    """A topology that can work, and the key of each of its hosts."""

    topology: Topology
    host_keys: dict[str, str]


class _TwiceError(yaml.MarkedYAMLError):
    """A key is there twice; YAML itself would keep the last."""


class _Loader(yaml.CSafeLoader):
    """The safe loader, which also refuses a key that is there twice, as the engine does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # `{{ name }}` of a template that nobody filled in: refused below
            if key.value in seen:
                raise _TwiceError(problem=f"{key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(stack: str, project: Path) -> Cluster:
    """The cluster of `Pulumi.<stack>.yaml`. Raises `StackFileError`."""
    path = project / f"Pulumi.{stack}.yaml"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StackFileError(
            [Finding(path.name, f"can't be read: {error.strerror}", "name an existing stack")]
        ) from None
    return of_text(text, path.name, project)


def of_text(text: bytes, name: str, project: Path) -> Cluster:
    """The cluster in the text of the stack file `name`. Raises `StackFileError`."""
    try:
        content = yaml.load(text.decode(), Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f"{name}, line {where.line + 1}" if where else name
        problem = error.problem if isinstance(error, _TwiceError) else "is no YAML"
        raise StackFileError([Finding(place, str(problem), "mend its syntax")]) from None
    except ValueError:  # no UTF-8, or a date or number that YAML takes for one and that isn't
        raise StackFileError([Finding(name, "holds what YAML can't read", "quote dates and numbers")]) from None
    section = content.get("config") if isinstance(content, dict) else None
    config = section if isinstance(section, dict) else {}
    raw = config.get("maas-ha:cluster")
    return parse(raw, project, database_password.as_stored(config) if database_password.is_wanted(raw) else ())


def parse(raw: object, project: Path, beside: Iterable[Finding] = ()) -> Cluster:
    """`raw`, the value of `maas-ha:cluster`, as a cluster.

    Raises `StackFileError` with every problem, those `beside` the cluster last.
    """
    if raw is None:
        raise StackFileError([Finding("maas-ha:cluster", "is missing", "start from Pulumi.dev.yaml"), *beside])
    return checked(StackFile, raw, lambda topology: host_keys.read(topology, project), beside)


def checked(
    model: type[Given],
    raw: object,
    keys: Callable[[Given], tuple[dict[str, str], list[Finding]]],
    beside: Iterable[Finding],
    whose: str = STACK_FILE,
) -> Cluster:
    """`raw` as a cluster, if it is a `model`, no rule speaks against it, and `keys` finds one for each host.

    Raises `StackFileError`, for the text is `whose`, with every problem, those `beside` the cluster last.
    """
    beside = list(beside)
    try:
        topology = model.model_validate(raw)
    except ValidationError as error:
        found = problems.findings(error.errors(include_input=False), model)
        raise StackFileError(found + beside, whose, afterwards=LATER) from None
    known, missing = keys(topology)
    if found := rules.check(topology) + missing + beside:
        raise StackFileError(found, whose)
    return Cluster(topology, known)
