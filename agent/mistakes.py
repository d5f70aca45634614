"""What an operator got wrong on a machine, told all at once and before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.errors import StepError
from agent.report import Report


@dataclass(frozen=True)
class Mistake:
    """One thing that MAAS itself wouldn't notice, or too late."""

    seen: str
    reason: str
    """Why it matters, with its section of maas-facts."""
    remedy: str
    is_refused: bool = True
    """False where it is only reported, since refusing would not mend it."""

    def __str__(self) -> str:
        return f"{self.seen}: {self.reason}; {self.remedy}"


def decide(report: Report, mistakes: Iterable[Mistake]) -> None:
    """Say what is only reported. Raises `StepError` with all that is refused, a line each."""
    refused = []
    for mistake in mistakes:
        if mistake.is_refused:
            refused.append(str(mistake))
        else:
            report.say(f"warning: {mistake}")
    if refused:
        raise StepError("\n".join(refused))
