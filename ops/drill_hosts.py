"""What a drill does on hosts, over SSH: look, make a fault and have it undone, run DHCP clients, try writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncssh
from pydantic import BaseModel, ValidationError

from config.stack_file import Cluster
from config.topology import DatabaseCluster
from config.urls import region_url
from ops import drill_dhcp
from ops.drill_load import PREFIX
from ops.drill_plan import CLIENTS, CLIENTS_SECONDS, Hit
from ops.drill_report import Dhcp, Minority
from ops.engine import EngineError
from ops.hosts import AGENT, Answer, NoAnswer, ask_all, connect, explain
from ops.stack import Outputs

MENDING_SECONDS = 300.0
"""Until the host says that all is as before."""
LAST_SECONDS = 30.0
"""Until what ran on a host has told its figures."""


class Seen(BaseModel):
    """What a host's agent says."""

    serves: bool
    sessions: dict[str, int]
    leader: str
    time: float
    """Unix time, by the host's clock."""


async def look(cluster: Cluster, hosts: Sequence[str]) -> dict[str, Seen]:
    """What `hosts` say of themselves. Raises `EngineError` if one doesn't answer."""
    answers = await ask_all(cluster, list(hosts), "drill look")
    return {host: _seen(host, answer) for host, answer in answers.items()}


def _seen(host: str, answer: Answer | NoAnswer) -> Seen:
    if isinstance(answer, NoAnswer):
        raise EngineError(f"{host}: {answer.reason}; a drill begins with what works")
    try:
        return Seen.model_validate(json.loads(answer.stdout))
    except (json.JSONDecodeError, ValidationError):
        raise EngineError(f"{host}: its agent is older than this program: run `pulumi up` first") from None


def served_by(kind: str, before: Mapping[str, Seen], now: Mapping[str, Seen]) -> str:
    """The balancer that has the clients' address, or the region that got most of its sessions in between."""
    holder = next((host for host, seen in now.items() if seen.serves), "")
    if not holder:
        raise EngineError("no balancer has the clients' address; a drill begins with what works")
    if kind == "balancer":
        return holder
    sessions, earlier = now[holder].sessions, before[holder].sessions
    if not sessions:
        raise EngineError(f"HAProxy on {holder} doesn't tell which region serves; name one")
    return max(sessions, key=lambda region: sessions[region] - earlier.get(region, 0))


async def leader(cluster: Cluster, spared: Sequence[str]) -> str:
    """The host whose PostgreSQL takes writes, without asking those `spared`; "" where none leads."""
    database = cluster.topology.database
    if not isinstance(database, DatabaseCluster):
        return ""
    answers = await ask_all(cluster, [host for host in database.cluster if host not in spared], "drill look")
    found = [_seen(host, answer).leader for host, answer in answers.items() if isinstance(answer, Answer)]
    return next(filter(None, found), "")


@contextlib.asynccontextmanager
async def broken(
    cluster: Cluster, hit: Hit, fault: str, seconds: int, say: Callable[[str], None]
) -> AsyncIterator[float]:
    """The fault, and the monotonic instant of it; at the block's end, however it ends, the host undoes it and is
    waited for. Raises `EngineError`."""
    command = " ".join(["sudo -n", AGENT, "drill", hit.role, fault, str(seconds), *hit.addresses])
    try:
        async with await connect(cluster, hit.host) as connection:
            process = await connection.create_process(command)
            try:
                await _says(process, "breaks", hit.host)
                begun = time.monotonic()
                await _says(process, "broken", hit.host)
                yield begun
            finally:
                await _mended(process, hit.host, say)
    except (OSError, asyncssh.Error) as error:
        raise EngineError(f"{hit.host}: {explain(error)}; it undoes the fault by itself") from None


async def _says(process: asyncssh.SSHClientProcess[str], word: str, host: str) -> None:
    if (await process.stdout.readline()).strip() != word:
        raise EngineError(f"{host} makes no fault")  # what it says of that is told as it ends


async def _mended(process: asyncssh.SSHClientProcess[str], host: str, say: Callable[[str], None]) -> None:
    say(f"{host} undoes it")
    process.stdin.write_eof()
    try:
        async with asyncio.timeout(MENDING_SECONDS):
            done = await process.wait()
    except TimeoutError:
        raise EngineError(f"{host} doesn't say that the fault is undone: look at it") from None
    if done.exit_status != 0:
        raise EngineError(f"{host}: {str(done.stderr).strip()}")
    say(f"{host} is as before")


@dataclass
class DhcpClients:
    """Real DHCP clients on a host, for as long as the block lasts."""

    cluster: Cluster
    host: str
    network: str
    seconds: int
    _lines: list[str] = field(default_factory=list)
    _ahead: float = 0.0
    """The host's clock less this machine's monotonic one."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Raises `EngineError`."""
        asked = time.monotonic()
        seen = await look(self.cluster, [self.host])
        self._ahead = seen[self.host].time - (asked + time.monotonic()) / 2
        what = f"dhcp-clients {self.network} {CLIENTS} {CLIENTS_SECONDS} {self.seconds} {secrets.token_hex(4)}"
        async with _process(self.cluster, self.host, what) as process:
            reading = asyncio.create_task(self._read(process))
            try:
                yield
            finally:
                await _ended(process, self.host, reading)

    async def _read(self, process: asyncssh.SSHClientProcess[str]) -> None:
        while line := await process.stdout.readline():
            self._lines.append(line)

    def told(self, fault: float) -> Dhcp:
        """Their figures; `fault` is monotonic. Raises `EngineError`."""
        return drill_dhcp.read(self.host, CLIENTS, self._lines, fault + self._ahead)


class _Tried(BaseModel):
    tried: int
    accepted: int


@dataclass
class Writes:
    """Writes on hosts that are cut off, for as long as the block lasts."""

    cluster: Cluster
    outputs: Outputs
    hits: Sequence[Hit]
    seconds: int
    _tried: dict[str, _Tried] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Raises `EngineError`."""
        async with contextlib.AsyncExitStack() as stack:
            for hit in self.hits:
                await stack.enter_async_context(self._on(hit))
            yield

    @contextlib.asynccontextmanager
    async def _on(self, hit: Hit) -> AsyncIterator[None]:
        async with _process(self.cluster, hit.host, f"drill writes {hit.role} {self.seconds}") as process:
            process.stdin.write(json.dumps(self._target(hit)) + "\n")
            try:
                yield
            finally:
                text = asyncio.create_task(process.stdout.read())
                await _ended(process, hit.host, text)
                self._tried[f"{hit.host} ({hit.role})"] = _Tried.model_validate_json(await text)

    def _target(self, hit: Hit) -> dict[str, str]:
        if hit.role != "region":
            return {}
        topology = self.cluster.topology
        url = region_url(str(topology.hosts[hit.host].address), topology.maas.tls_port)
        key, authority = self.outputs.api_key, self.outputs.ca_certificate
        return {"url": url, "api_key": key, "ca_certificate": authority, "prefix": f"{PREFIX}minority-"}

    def told(self) -> Minority:
        """How often each tried, and how often it was acknowledged."""
        return Minority(
            tried={name: found.tried for name, found in self._tried.items()},
            accepted={name: found.accepted for name, found in self._tried.items()},
        )


@contextlib.asynccontextmanager
async def _process(cluster: Cluster, host: str, what: str) -> AsyncIterator[asyncssh.SSHClientProcess[str]]:
    try:
        async with await connect(cluster, host) as connection:
            yield await connection.create_process(f"sudo -n {AGENT} {what}")
    except (OSError, asyncssh.Error) as error:
        raise EngineError(f"{host}: {explain(error)}") from None


async def _ended(process: asyncssh.SSHClientProcess[str], host: str, reading: asyncio.Task[object]) -> None:
    """End its input, and wait for what it tells at its end."""
    process.stdin.write_eof()
    try:
        async with asyncio.timeout(LAST_SECONDS):
            await reading
            done = await process.wait()
    except TimeoutError:
        raise EngineError(f"{host} doesn't end what it was asked for: look at it") from None
    if done.exit_status != 0:
        raise EngineError(f"{host}: {str(done.stderr).strip()}")
