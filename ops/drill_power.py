"""Queries of a machine's power during a drill, through MAAS's API: a rack asks the machine's BMC (maas-facts §12.8)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from agent.errors import StepError
from agent.maas_api import MaasApi
from ops import drill_figures
from ops.drill_report import Power

EVERY = 1.0
"""Seconds from the end of a query to the next."""


@dataclass(frozen=True)
class Query:
    """One query and what became of it."""

    begun: float
    """Monotonic seconds."""
    ended: float
    failed: str
    """Why; "" where MAAS told on or off."""


@dataclass
class PowerQueries:
    """Queries of one machine, one after the other."""

    api: MaasApi
    system_id: str
    name: str
    queries: list[Query] = field(default_factory=list)

    async def run(self) -> None:
        """Go on until cancelled; a query that is under way is ended first."""
        while True:
            query = asyncio.create_task(asyncio.to_thread(self.ask))
            try:
                await asyncio.shield(query)
            finally:
                self.queries.append(await query)
            await asyncio.sleep(EVERY)

    def ask(self) -> Query:
        """Ask once, now."""
        begun, failed = time.monotonic(), ""
        try:
            state = self.api.power_state(self.system_id)
            failed = "" if state in ("on", "off") else f"power state {state}"
        except StepError as error:
            failed = error.cause
        except OSError as error:
            failed = str(error)
        return Query(begun, time.monotonic(), failed)

    def told(self, fault: float) -> Power:
        """Their figures; `fault` is monotonic."""
        worked = [query.ended - query.begun for query in self.queries if not query.failed]
        return Power(
            machine=self.name,
            tried=len(self.queries),
            failed=len(self.queries) - len(worked),
            slowest=round(max(worked, default=0.0), 3),
            again_after=drill_figures.again_after(self.queries, fault),
            reasons=drill_figures.reasons(self.queries),
            timeline=drill_figures.exchanges(self.queries, fault),
        )


def of_some_machine(api: MaasApi) -> PowerQueries | None:
    """Queries of the first machine whose power MAAS tells now; None where there is none. Raises `StepError`."""
    for machine in api.read("machines/"):
        found = PowerQueries(api, str(machine.get("system_id")), str(machine.get("hostname")))
        if machine.get("power_type") != "manual" and not found.ask().failed:
            return found
    return None
