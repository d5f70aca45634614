"""`maas-ha drill`: steady load through the address that clients use, a fault on one host, and what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from pydantic import BaseModel, ValidationError

from agent.errors import StepError
from config import stack_file
from config.stack_file import Cluster
from ops.drill_load import Load, sweep, tags_of_drills
from ops.drill_report import Report, report
from ops.engine import EngineError
from ops.hosts import AGENT, Answer, NoAnswer, ask_all, connect, explain
from ops.stack import Outputs, api_of, read_outputs

FAULTS = {"region": ("kill", "hang"), "balancer": ("kill", "hang", "stop")}
ROLES = {"region": "region", "balancer": "haproxy"}
"""As the agent calls them."""
BEFORE_SECONDS = 5.0
MENDING_SECONDS = 300.0
"""Until the host says that all is as before."""
AFTER_SECONDS = 3.0
"""Of load once it is."""
SPARE_SECONDS = 30
"""By which the host undoes the fault later than it would be told to."""


@dataclass
class Drill:
    """One drill under way."""

    cluster: Cluster
    outputs: Outputs
    role: str
    host: str
    """"" for the one that serves this machine."""
    fault: str
    seconds: int
    say: Callable[[str], None]
    load: Load = field(init=False)
    broken: float = 0.0
    """Monotonic instant of the fault."""

    def __post_init__(self) -> None:
        self.load = Load(self.outputs.api_url, self.outputs.api_key, self.outputs.ca_certificate)

    async def run(self) -> None:
        """All of it but the sweep. Raises `EngineError`, or `CancelledError` by a signal, the fault undone."""
        before = await self._look()
        load = asyncio.create_task(self.load.run())
        try:
            self.say(f"load on {self.outputs.api_url}")
            await asyncio.sleep(BEFORE_SECONDS)
            self.host = self.host or served_by(self.role, before, await self._look())
            async with self._broken():
                await asyncio.sleep(self.seconds)
            self.say(f"{self.host} is as before")
            await asyncio.sleep(AFTER_SECONDS)
        finally:
            self.say("the last requests")
            load.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await load

    async def _look(self) -> dict[str, Seen]:
        """What each balancer says of itself."""
        answers = await ask_all(self.cluster, list(self.cluster.topology.load_balancer.named.values()), "drill look")
        return {host: _seen(host, answer) for host, answer in answers.items()}

    @contextlib.asynccontextmanager
    async def _broken(self) -> AsyncIterator[None]:
        """The fault; at the block's end, however it ends, the host undoes it and is waited for."""
        command = f"sudo -n {AGENT} drill {ROLES[self.role]} {self.fault} {self.seconds + SPARE_SECONDS}"
        try:
            async with await connect(self.cluster, self.host) as connection:
                process = await connection.create_process(command)
                try:
                    if (await process.stdout.readline()).strip() != "breaks":
                        raise EngineError(f"{self.host} makes no fault")  # what it says of that is told as it ends
                    self.broken = time.monotonic()
                    self.say(f"{self.fault} {self.role} on {self.host}")
                    yield
                finally:
                    await self._mended(process)
        except (OSError, asyncssh.Error) as error:
            raise EngineError(f"{self.host}: {explain(error)}; it undoes the fault by itself") from None

    async def _mended(self, process: asyncssh.SSHClientProcess[str]) -> None:
        self.say(f"{self.host} undoes it")
        process.stdin.write_eof()
        try:
            async with asyncio.timeout(MENDING_SECONDS):
                done = await process.wait()
        except TimeoutError:
            raise EngineError(f"{self.host} doesn't say that the fault is undone: look at it") from None
        if done.exit_status != 0:
            raise EngineError(f"{self.host}: {str(done.stderr).strip()}")


class Seen(BaseModel):
    """What a balancer's agent says."""

    serves: bool
    sessions: dict[str, int]


def _seen(host: str, answer: Answer | NoAnswer) -> Seen:
    if isinstance(answer, NoAnswer):
        raise EngineError(f"{host}: {answer.reason}; a drill begins with what works")
    try:
        return Seen.model_validate(json.loads(answer.stdout))
    except (json.JSONDecodeError, ValidationError):
        raise EngineError(f"{host}: its agent is older than this program: run `pulumi up` first") from None


def served_by(role: str, before: Mapping[str, Seen], now: Mapping[str, Seen]) -> str:
    """The balancer that has the clients' address, or the region that got most of its sessions in between."""
    holder = next((host for host, seen in now.items() if seen.serves), "")
    if not holder:
        raise EngineError("no balancer has the clients' address; a drill begins with what works")
    if role == "balancer":
        return holder
    sessions, earlier = now[holder].sessions, before[holder].sessions
    if not sessions:
        raise EngineError(f"HAProxy on {holder} doesn't tell which region serves; name one")
    return max(sessions, key=lambda region: sessions[region] - earlier.get(region, 0))


def prepare(
    stack: str, project: Path, role: str, host: str, fault: str, seconds: int, say: Callable[[str], None]
) -> Drill:
    """A drill that can be run. Raises `StackFileError` or `EngineError`; no host is asked."""
    if fault not in FAULTS[role]:
        raise EngineError(f"no fault {fault!r} of a {role}; there are {', '.join(FAULTS[role])}")
    cluster = stack_file.read(stack, project)
    known = cluster.topology.regions if role == "region" else cluster.topology.load_balancer.named.values()
    if host and host not in known:
        raise EngineError(f"{host} is no {role} of stack {stack}; there are {', '.join(known)}")
    return Drill(cluster, read_outputs(stack, project), role, host, fault, seconds, say)


def run(stack: str, drill: Drill) -> Report:
    """Run it and take its tags away again. Raises `EngineError`, or `KeyboardInterrupt` once all is undone."""
    api = api_of(drill.cluster, drill.outputs)
    try:
        asyncio.run(_until_signalled(drill))
        with _told():
            found = tags_of_drills(api)
        return report((stack, drill.role, drill.host, drill.fault), drill.load.requests, drill.broken, found)
    finally:
        drill.say("its tags are deleted")
        with _told():
            sweep(api)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (StepError, OSError) as error:
        raise EngineError(f"MAAS: {error}") from None


async def _until_signalled(drill: Drill) -> None:
    """The first SIGINT or SIGTERM ends the drill, and what it made is undone; further ones change nothing."""
    task = asyncio.ensure_future(drill.run())
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
