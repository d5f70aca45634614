"""`maas-ha drill`: steady load through the address that clients use, a fault, and what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent.errors import StepError
from agent.maas_api import MaasApi
from config.stack_file import Cluster
from config.topology import DatabaseCluster
from ops import drill_figures, drill_hosts, drill_power, status
from ops.drill_hosts import DhcpClients, Writes
from ops.drill_load import Load, Request, sweep, tags_of_drills
from ops.drill_plan import Hit, Planned, candidates, clients_host, hits, pair_of
from ops.drill_power import PowerQueries
from ops.drill_report import Drill, Mark, RackSeen, Report, Skipped
from ops.engine import EngineError
from ops.stack import Outputs, api_of

BEFORE_SECONDS, AFTER_SECONDS = 4.0, 3.0
"""Of load, before the fault and once all is as before."""
LEAST = {"region": 10.0, "balancer": 6.0, "database": 12.0, "rack": 15.0, "partition": 20.0}
"""Seconds that a fault lasts at least."""
CALM_SECONDS = 4.0
"""A fault is undone, before its time is up, once nothing has failed for so long."""
STEADY_SECONDS = 180.0
"""Until all is well before a drill, and every rack is back to all regions after one."""
SPARE_SECONDS = 30
"""By which the host undoes the fault later than it would be told to."""


@dataclass
class Session:
    """Drills of one stack, one after the other."""

    stack: str
    cluster: Cluster
    outputs: Outputs
    seconds: int
    """That a fault lasts at most."""
    say: Callable[[str], None]
    drills: list[Drill] = field(default_factory=list)

    async def run(self, planned: Sequence[Planned]) -> None:
        """Raises `EngineError`, or `CancelledError` by a signal; what was begun is undone then."""
        for each in planned:
            self.say(f"── {each}")
            await self._steady()
            self.drills.append(await _Running(self, each).run())

    async def _steady(self) -> None:
        """A drill begins with what works."""
        deadline = time.monotonic() + STEADY_SECONDS
        while problems := (await self.look()).problems:
            if time.monotonic() > deadline:
                raise EngineError("\n".join(["nothing was done: a drill begins with what works", *problems]))
            self.say(f"waits: {problems[0]}")
            await asyncio.sleep(2)

    async def look(self) -> status.Status:
        """What `maas-ha status` shows."""
        return await asyncio.to_thread(status.of, self.cluster, self.outputs)


@dataclass
class _Running:
    """One drill under way."""

    session: Session
    planned: Planned
    load: Load = field(init=False)
    power: PowerQueries | None = None
    dhcp: DhcpClients | None = None
    writes: Writes | None = None
    hits: list[Hit] = field(default_factory=list)
    begun: float = 0.0
    """Monotonic instant of the fault."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    marks: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        outputs = self.session.outputs
        self.load = Load(outputs.api_url, outputs.api_key, outputs.ca_certificate)

    async def run(self) -> Drill:
        try:
            await self._run()
            racks = await self._racks()
            with told():
                found = await asyncio.to_thread(tags_of_drills, self._api())
            return self._report(racks, found)
        finally:
            with told():
                await asyncio.to_thread(sweep, self._api())

    async def _run(self) -> None:
        session, cluster = self.session, self.session.cluster
        balancers = list(cluster.topology.load_balancer.named.values())
        before = await drill_hosts.look(cluster, balancers)
        if self.planned.kind == "rack":
            with told():
                self.power = await asyncio.to_thread(drill_power.of_some_machine, self._api(balanced=True))
        async with contextlib.AsyncExitStack() as stack:
            self.dhcp = self._clients()
            if self.dhcp:
                await stack.enter_async_context(self.dhcp.running())
            for work in [self.load.run(), *([self.power.run()] if self.power else [])]:
                stack.push_async_callback(_cancelled, asyncio.create_task(work))
            session.say(f"load on {self.load.url}" + (f", DHCP clients on {self.dhcp.host}" if self.dhcp else ""))
            await asyncio.sleep(BEFORE_SECONDS)
            serving = ""
            if self.planned.kind in ("region", "balancer", "partition"):
                kind = "balancer" if self.planned.kind == "balancer" else "region"
                serving = drill_hosts.served_by(kind, before, await drill_hosts.look(cluster, balancers))
            leads = await self._leader()
            self.hits = hits(cluster, self.planned, serving, leads)
            async with self._broken():
                await self._hold()
                now = await self._leader(spared=[hit.host for hit in self.hits])
                self._mark("undone" + (f"; {now} leads" if now and now != leads else ""))
            self._mark("as before")
            await asyncio.sleep(AFTER_SECONDS)

    def _clients(self) -> DhcpClients | None:
        cluster, kind = self.session.cluster, self.planned.kind
        kinds = ("region", "database") if kind == "partition" else (kind,)
        host = clients_host(cluster, [victim for each in kinds for victim in candidates(cluster, each)])
        pair = pair_of(cluster)
        seconds = self.session.seconds + SPARE_SECONDS + int(drill_hosts.MENDING_SECONDS)
        return DhcpClients(cluster, host, str(pair.subnet), seconds) if pair and host else None

    async def _leader(self, spared: Sequence[str] = ()) -> str:
        """The database that leads, where the stack has several."""
        if self.planned.kind not in ("database", "partition"):
            return ""
        found = await drill_hosts.leader(self.session.cluster, spared)
        if not found and not spared:
            raise EngineError("no database leads; a drill begins with what works")
        return found

    @contextlib.asynccontextmanager
    async def _broken(self) -> AsyncIterator[None]:
        session = self.session
        async with contextlib.AsyncExitStack() as stack:
            for hit in self.hits:
                seconds = session.seconds + SPARE_SECONDS
                begun = await stack.enter_async_context(
                    drill_hosts.broken(session.cluster, hit, self.planned.fault, seconds, session.say)
                )
                if not self.begun:
                    self.begun, self.at = begun, datetime.now(UTC)
                self._mark(f"{self.planned.fault} {hit.host}")
            if self.planned.kind == "partition":
                self.writes = Writes(session.cluster, session.outputs, self.hits, session.seconds)
                await stack.enter_async_context(self.writes.running())
            yield

    async def _hold(self) -> None:
        await asyncio.sleep(LEAST[self.planned.kind])
        while time.monotonic() < self.begun + self.session.seconds and not is_calm(
            self.load.requests, time.monotonic()
        ):
            await asyncio.sleep(0.5)

    def _mark(self, text: str) -> None:
        self.marks.append((time.monotonic(), text))
        self.session.say(f"{time.monotonic() - self.begun:+.1f} s {text}")

    async def _racks(self) -> list[RackSeen]:
        """Every rack and its regions, once all of them are back, or at the end of the time for that."""
        deadline = time.monotonic() + STEADY_SECONDS
        while True:
            racks = (await self.session.look()).racks
            seen = [RackSeen(rack=rack.name, regions=rack.regions) for rack in racks]
            if (seen and drill_figures.of_racks(seen).holds) or time.monotonic() > deadline:
                return seen
            await asyncio.sleep(1)

    def _report(self, racks: list[RackSeen], found: set[str]) -> Drill:
        requests, fault, kind = self.load.requests, self.begun, self.planned.kind
        dhcp = self.dhcp.told(fault) if self.dhcp else None
        power = self.power.told(fault) if self.power else None
        minority = self.writes.told() if self.writes else None
        written, lost = [r for r in requests if r.tag], drill_figures.lost(requests, found)
        acknowledged = sum(not request.failed for request in written)
        return Drill(
            kind=kind,
            fault=self.planned.fault,
            hosts=[hit.host for hit in self.hits],
            begun=self.at,
            reads=drill_figures.of_requests([r for r in requests if not r.tag], fault),
            writes=drill_figures.of_requests(written, fault),
            reasons=drill_figures.reasons(requests),
            acknowledged=acknowledged,
            lost=lost,
            marks=[Mark(at=round(at - fault, 3), text=text) for at, text in self.marks],
            timeline=drill_figures.seconds(requests, fault),
            dhcp=dhcp,
            power=power,
            minority=minority,
            racks=racks,
            limits=[
                drill_figures.before(requests, fault),
                *drill_figures.LIMITS[kind](requests, fault, self.planned.fault),
                *([] if self._may_lose() else [drill_figures.kept(acknowledged, lost)]),
                *(drill_figures.of_dhcp(dhcp) if dhcp else []),
                *([drill_figures.of_power(power)] if power else []),
                *([drill_figures.of_minority(minority)] if minority else []),
                drill_figures.of_racks(racks),
            ],
        )

    def _may_lose(self) -> bool:
        """True where a leader that dies may take acknowledged writes with it, as the stack file chose."""
        database = self.session.cluster.topology.database
        asynchronous = isinstance(database, DatabaseCluster) and not database.synchronous
        return asynchronous and self.planned.kind in ("database", "partition")

    def _api(self, *, balanced: bool = False) -> MaasApi:
        outputs = self.session.outputs
        if balanced:
            return MaasApi([outputs.api_url], outputs.api_key, outputs.ca_certificate)
        return api_of(self.session.cluster, outputs)


def is_calm(requests: Sequence[Request], now: float) -> bool:
    """True if, of late, requests and writes among them were answered, and none failed."""
    late = [request for request in requests if request.ended > now - CALM_SECONDS]
    return not any(request.failed for request in late) and any(request.tag for request in late)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def run(session: Session, planned: Sequence[Planned], skipped: list[Skipped]) -> Report:
    """Run them. Raises `EngineError`, or `KeyboardInterrupt` once all is undone."""
    asyncio.run(_until_signalled(session.run(planned)))
    return Report(stack=session.stack, url=session.outputs.api_url, drills=session.drills, skipped=skipped)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What MAAS refuses, as `EngineError`."""
    try:
        yield
    except (StepError, OSError) as error:
        raise EngineError(f"MAAS: {error}") from None


async def _until_signalled(drills: Coroutine[None, None, None]) -> None:
    """The first SIGINT or SIGTERM ends the drills, and what they made is undone; further ones change nothing."""
    task = asyncio.ensure_future(drills)
    stopped: list[str] = []

    def stop(number: signal.Signals) -> None:
        if not stopped:
            stopped.append(number.name)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
