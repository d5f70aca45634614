"""A host brought back to what the last update left there: its transactions once more, as the engine's state has them.

`pulumi up` has nothing to do for a host that drifted, and a replacement would take the component off it first. So
the state's own commands are run again, over SSH to the pinned key, in their order; what they are given stays on its
standard input. Each is a transaction of the agent, and so changes what drifted and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from config import stack_file
from config.stack_file import Cluster
from ops.engine import COMMAND, EngineError, pulumi
from ops.hosts import NoAnswer, run_on

SECONDS = 2400.0
"""Longest that one transaction may take, its rolling back included."""

HANDED_ON = ("system_id", "shared_secret", "api_key", "vlan")
"""Outputs that other components were given."""

Say = Callable[[str], None]


class UnreachableError(EngineError):
    """The host did not answer."""


class _Inputs(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    create: str
    stdin: object
    triggers: list[str]


class _Command(BaseModel):
    """One command of the state, whose secrets are in the clear."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    urn: str
    inputs: _Inputs
    outputs: dict[str, object]

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[1]


def repair(stack: str, project: Path, host: str, say: Say) -> None:
    """Apply again what the state has for `host`. Raises `StackFileError`, or `EngineError` where a step fails."""
    cluster = stack_file.read(stack, project)
    if host not in cluster.topology.hosts:
        raise EngineError(f"the stack file knows no host {host!r}; it knows {', '.join(cluster.topology.hosts)}")
    exported = pulumi(stack, project, "stack", "export", "--show-secrets")
    commands = list(_commands(exported, host))
    if not commands:
        raise EngineError(f"stack {stack} has put nothing on {host} yet: run `pulumi up --stack {stack}`")
    asyncio.run(_all(cluster, host, commands, say))


def _commands(exported: str, host: str) -> Iterator[_Command]:
    """The host's commands in the order of the state, in which nothing comes before what it needs."""
    resources = (json.loads(exported).get("deployment") or {}).get("resources") or []
    for item in resources:
        if item.get("type") != COMMAND or item.get("inputs", {}).get("triggers", [""])[0] != host:
            continue
        try:
            yield _Command.model_validate(item)
        except ValidationError:
            raise EngineError(f"the state's {item.get('urn')} can't be read") from None


async def _all(cluster: Cluster, host: str, commands: list[_Command], say: Say) -> None:
    for command in commands:
        say(f"{host}: {command.name}")
        answer = await run_on(cluster, host, command.inputs.create, SECONDS, stdin=_plain(command.inputs.stdin))
        if isinstance(answer, NoAnswer):
            raise UnreachableError(f"{host}: {command.name}: {answer.reason}")
        if answer.exit_status != 0:
            raise EngineError(f"{host}: {command.name} failed:\n{answer.stderr.strip()}")
        if changed := _handed_on(_plain(command.outputs.get("stdout"))) - _handed_on(answer.stdout):
            names = ", ".join(sorted(name for name, _ in changed))
            raise EngineError(
                f"{host}: {command.name} is another one now ({names}), which the state doesn't know:"
                f" run `pulumi up --replace '{command.urn}'`"
            )


def _handed_on(line: object) -> set[tuple[str, str]]:
    try:
        told = json.loads(str(line))
    except json.JSONDecodeError:
        return set()
    return {(name, str(told[name])) for name in HANDED_ON if name in told} if isinstance(told, dict) else set()


def _plain(value: object) -> str:
    """A value of the state, which wraps a secret as JSON."""
    return str(json.loads(str(value["plaintext"]))) if isinstance(value, dict) and "plaintext" in value else str(value)
