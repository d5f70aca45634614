"""Whether the hosts are still as the last update left them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from pydantic import BaseModel

from config import stack_file
from ops.hosts import Answer, NoAnswer, ask_all

CLEAN, DRIFT, UNREACHABLE = 0, 1, 2


class Difference(BaseModel):
    """One thing on a host that isn't as it was left."""

    component: str
    text: str


class HostReport(BaseModel):
    """What one host says."""

    host: str
    unreachable: str = ""
    """Why it said nothing."""
    differences: list[Difference] = []


class Verified(BaseModel):
    """What all hosts say."""

    stack: str
    hosts: list[HostReport]

    @property
    def code(self) -> int:
        """0 if all is as it was left, 1 if something isn't, 2 if a host did not answer."""
        if any(host.unreachable for host in self.hosts):
            return UNREACHABLE
        return DRIFT if any(host.differences for host in self.hosts) else CLEAN

    @property
    def well(self) -> str:
        """What is said when all is as it was left."""
        number = len(self.hosts)
        return f"{number} hosts are as the last update left them" if number > 1 else "as the last update left it"

    def lines(self) -> list[str]:
        """One line for each thing that isn't right."""
        told = []
        for host in self.hosts:
            if host.unreachable:
                told.append(f"{host.host}: {host.unreachable}")
            told += [f"{host.host}: {found.component}: {found.text}" for found in host.differences]
        return told


def read(stack: str, project: Path, *hosts: str) -> Verified:
    """Ask these hosts, or every host, at once. Raises `StackFileError`."""
    cluster = stack_file.read(stack, project)
    answers = asyncio.run(ask_all(cluster, list(hosts or cluster.topology.hosts), "verify --json"))
    return Verified(stack=stack, hosts=[_report(host, answer) for host, answer in answers.items()])


def _report(host: str, answer: Answer | NoAnswer) -> HostReport:
    if isinstance(answer, NoAnswer):
        return HostReport(host=host, unreachable=answer.reason)
    try:
        found = json.loads(answer.stdout)
    except json.JSONDecodeError:
        return HostReport(host=host, unreachable=answer.unreadable().reason)
    return HostReport(host=host, differences=[Difference.model_validate(item) for item in found])
