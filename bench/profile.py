"""Where the time of an update goes, read from what the engine and the agents say and when they say it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ENGINE, SSH, PACKAGES, AGENT, UNITS, COMMANDS, HEALTH = (
    "engine and program",
    "SSH, and the agent's start",
    "packages",
    "the agent's own work",
    "starting units",
    "schema, roles, accounts",
    "waiting for health",
)
KINDS = (ENGINE, SSH, PACKAGES, AGENT, UNITS, COMMANDS, HEALTH)
WORDS = (
    (PACKAGES, ("update package lists", "install ")),
    (UNITS, ("start ", "restart ", "reload ", "stop ", "enable ", "drain")),
    (COMMANDS, ("maas-region dbupgrade", "create the ", "role ", "VLAN ")),
    (HEALTH, ("health", "wait ", "serve without")),
)
"""Kind → how the agent's steps of it begin; every other step is its own work."""

LINE = re.compile(r"\s*[+~]+\s+command:remote:Command (\S+) (creating|created|updating|updated) \([\d.hms]+\)\s?(.*)")


@dataclass(frozen=True)
class Part:
    """One step of one command."""

    command: str
    kind: str
    begin: float
    end: float


def kind_of(step: str) -> str:
    """What a step of the agent is about."""
    return next((kind for kind, words in WORDS if step.startswith(words)), AGENT)


def parts(lines: Sequence[tuple[float, str]]) -> list[Part]:
    """Every command's steps; the first is the way to the agent. Output that isn't a command's is passed over."""
    found: list[Part] = []
    under_way: dict[str, tuple[float, str, str]] = {}
    for at, line in lines:
        match = LINE.match(line)
        if not match:
            continue
        command, state, said = match.groups()
        begin, kind, before = under_way.get(command, (at, SSH, ""))
        if state in ("created", "updated"):
            found.append(Part(command, kind, begin, at))
            under_way.pop(command, None)
        elif command not in under_way:
            under_way[command] = (at, SSH, said)
        elif said and said != before:
            found.append(Part(command, kind, begin, at))
            under_way[command] = (at, kind_of(said.partition(": ")[2]), said)
    return found


def chain(found: Sequence[Part], seconds: float) -> dict[str, float]:
    """Kind → seconds on the way that decides how long it takes: the last command, the one it waited for, and so on.

    What lies between two of them is the engine's and the program's. All of it comes to `seconds`.
    """
    begins = {part.command: min(one.begin for one in found if one.command == part.command) for part in found}
    ends = {part.command: max(one.end for one in found if one.command == part.command) for part in found}
    total = dict.fromkeys(KINDS, 0.0)
    upto = seconds
    while earlier := [command for command in ends if ends[command] <= upto]:
        last = max(earlier, key=lambda command: ends[command])
        total[ENGINE] += upto - ends[last]
        for part in found:
            if part.command == last:
                total[part.kind] += part.end - part.begin
        upto = begins[last]
        ends = {command: end for command, end in ends.items() if command != last}
    total[ENGINE] += upto
    return total
