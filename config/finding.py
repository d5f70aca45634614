"""A problem in a stack file, as the operator reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STACK_FILE = "the stack file"


@dataclass(frozen=True)
class Finding:
    """One problem: where it is, what is wrong, what to write instead."""

    path: str
    """Place in the stack file, e.g. `regions.region1.workers`."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class StackFileError(ValueError):
    """The stack file, or the program that gives a cluster, can't work; carries every problem at once.

    `afterwards` is what couldn't be looked at for them.
    """

    def __init__(self, findings: Iterable[Finding], whose: str = STACK_FILE, afterwards: str = "") -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        head = f"{whose} has {count} problem{'' if count == 1 else 's'}; nothing was touched:"
        tail = [f"  ({afterwards})"] if afterwards else []
        super().__init__("\n".join([head, *(f"  {finding}" for finding in self.findings), *tail]))
