"""The host as roles see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.bundle import Bundle
from agent.changes import Change
from agent.commands import Commands
from agent.errors import StepError
from agent.packages import Packages
from agent.paths import Paths
from agent.records import Record
from agent.report import Report
from agent.transaction import Transaction
from agent.units import Units

LONGEST_PAUSE = 0.25
"""Seconds between two looks at something that tells nobody when it is there, such as an event loop of MAAS."""


@dataclass
class Machine:
    """What a role works with."""

    paths: Paths
    report: Report
    commands: Commands
    units: Units
    packages: Packages

    def wait(
        self,
        what: str,
        seconds: float,
        attempt: Callable[[], str],
        unit: str = "",
        log: str = "",
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """Call `attempt` until it returns "" (done) instead of what is still missing.

        Raises `StepError` with the last answer after `seconds`.
        """
        deadline = time.monotonic() + seconds
        news = time.monotonic() + 10
        pause = 0.02
        while missing := attempt():
            now = time.monotonic()
            if now >= deadline:
                raise StepError(f"{what} not reached within {seconds:.0f} s: {missing}", unit=unit, log=log)
            if now >= news:
                self.report.say(f"waiting for {what}: {missing}")
                news = now + 30
            time.sleep(min(pause, max(0.0, deadline - now)))
            pause = min(pause * 1.5, longest_pause)


@dataclass
class Work(Machine):
    """A bundle under way on the machine."""

    bundle: Bundle
    record: Record | None
    facts: dict[str, str] = field(default_factory=dict)
    """Facts of the role for the next record."""
    changes: list[Change] = field(default_factory=list)
    """Files that this transaction changed."""
    makes: Callable[[str], None] = field(default=lambda path: None)
    """Tells the journal of a file that something else is about to make where none is."""

    @classmethod
    def under(
        cls,
        transaction: Transaction,
        paths: Paths,
        report: Report,
        commands: Commands,
        bundle: Bundle,
        record: Record | None,
    ) -> Work:
        """The work of `transaction`, whose journal hears of each unit before it is touched."""
        return cls(
            paths=paths,
            report=report,
            commands=commands,
            units=Units(commands, report, transaction.touch_unit),
            packages=Packages(paths, commands, report),
            bundle=bundle,
            record=record,
            facts=dict(record.facts) if record else {},
            makes=transaction.makes,
        )

    def secret(self, name: str) -> str:
        """A secret of the bundle. Raises `StepError` if it is missing."""
        value = self.bundle.secrets.get(name, "")
        if not value:
            raise StepError(f"the bundle has no secret {name}")
        return value
