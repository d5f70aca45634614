"""The region's side of its connections to racks."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
from typing import TYPE_CHECKING

import psycopg2

from . import nodes, processes, region, rpc
from .net import Interface
from .paths import read_text

if TYPE_CHECKING:
    from .region_worker import Worker

log = logging.getLogger("maasserver.rpc.regionservice")


def listening_socket(port: int) -> socket.socket:
    """A dual-stack socket where there is IPv6, as MAAS's logs show peers. Raises OSError if the port is taken."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))


class RackSessions:
    """The racks connected to one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._peers: dict[str, set[rpc.Peer]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def listen(self, port: int) -> asyncio.AbstractServer:
        """Accept racks on the port. Raises OSError if it is taken."""
        self._loop = asyncio.get_running_loop()
        return await asyncio.start_server(self._accept, sock=listening_socket(port), limit=rpc.LINE_LIMIT)

    def connected(self) -> list[str]:
        """system_ids of the racks with an authenticated connection."""
        return sorted(self._peers)

    async def call(self, rack: str, command: str, **args: object) -> bool:
        """Call the rack on one of its connections; whether one answered. A failure is logged."""
        for peer in list(self._peers.get(rack, ())):
            try:
                await peer.call(command, **args)
                return True
            except (rpc.ConnectionLostError, rpc.RemoteError, TimeoutError) as error:
                log.error("%s on rack controller %s failed: %s", command, rack, error)
        return False

    def ask(self, rack: str, command: str, args: rpc.Arguments) -> rpc.Answer:
        """The rack's answer, for a thread of the web application, within `power_wait_s`.

        Raises rpc.ConnectionLostError, rpc.RemoteError or TimeoutError.
        """
        peer = next(iter(self._peers.get(rack, ())), None)
        if peer is None or self._loop is None:
            raise rpc.ConnectionLostError(command)
        asked = peer.call_within(self._worker.host.knobs.power_wait_s, command, args)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    async def close(self) -> None:
        """Close all connections; the racks notice at once."""
        for peers in list(self._peers.values()):
            for peer in list(peers):
                await peer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self._worker, self._peers, rpc.Peer(reader, writer))
        await session.run()


class _Session:
    """One connection from a rack."""

    def __init__(self, worker: Worker, peers: dict[str, set[rpc.Peer]], peer: rpc.Peer) -> None:
        self._worker = worker
        self._peers = peers
        self._peer = peer
        self._rack: str | None = None
        # MAAS reads the file that its own start wrote from the database.
        self._handshake = rpc.Handshake(peer, read_text(worker.host.paths.secret) or "")
        peer.handlers |= {
            "Identify": self._identify,
            "Ping": self._ping,
            "RegisterRackController": self._register,
            "UpdateServices": self._update_services,
            "UpdateInterfaces": self._update_interfaces,
        }

    async def run(self) -> None:
        serving = asyncio.create_task(self._peer.serve())
        pinging: asyncio.Task[None] | None = None
        try:
            if await self._authenticate():
                pinging = asyncio.create_task(self._ping_for_ever())
            else:
                await self._peer.close()
            await serving
        finally:
            if pinging is not None:
                pinging.cancel()
            await self._gone()

    async def _authenticate(self) -> bool:
        remote = self._peer.remote
        try:
            passed = await self._handshake.run()
        except (rpc.ConnectionLostError, rpc.RemoteError, TimeoutError, ValueError) as error:
            log.error("Rack controller '%s' could not be authenticated; dropping connection. %s", remote, error)
            return False
        if passed:
            log.info("Rack controller authenticated from '%s'.", remote)
        else:
            log.error("Rack controller FAILED authentication from '%s'; dropping connection.", remote)
        return passed

    async def _ping_for_ever(self) -> None:
        knobs = self._worker.host.knobs
        while True:
            await asyncio.sleep(knobs.ping_s)
            try:
                await self._peer.call_within(knobs.ping_timeout_s, "Ping", {})
            except (rpc.ConnectionLostError, rpc.RemoteError, TimeoutError):
                await self._peer.close()
                return

    async def _identify(self, args: rpc.Arguments) -> rpc.Answer:
        return {"name": f"{region.hostname().partition('.')[0]}:pid={os.getpid()}"}

    async def _ping(self, args: rpc.Arguments) -> rpc.Answer:
        return {}

    async def _register(self, args: rpc.Arguments) -> rpc.Answer:
        """Only after the rack has proven that it knows the secret (maas-facts §4.4)."""
        await asyncio.wait_for(self._handshake.passed.wait(), 10)
        interfaces = [Interface.from_dict(i) for i in args["interfaces"]]
        rack = await self._worker.database(
            functools.partial(
                nodes.register_rack,
                system_id=args["system_id"],
                fqdn=args["hostname"],
                interfaces=interfaces,
                running=args["version"],
            )
        )
        if self._worker.process is None:
            await self._worker.refresh()
        process = self._worker.process
        if process is None:
            raise LookupError("this region controller has been deleted")
        await self._worker.database(functools.partial(processes.connected, process=process, rack=rack))
        self._rack = rack
        self._peers.setdefault(rack, set()).add(self._peer)
        if self._peer.closed.is_set():  # while the database noted that it is connected
            await self._gone()
            raise rpc.ConnectionLostError("RegisterRackController")
        self._worker.dhcp_is_due(rack)
        return {"system_id": rack, "uuid": read_text(self._worker.host.paths.maas_uuid) or ""}

    async def _update_services(self, args: rpc.Arguments) -> rpc.Answer:
        reported = [(str(n), str(s), str(i)) for n, s, i in args["services"]]
        rack = self._rack
        if rack is not None:
            await self._worker.database(lambda cur: processes.set_services(cur, rack, reported))
        return {}

    async def _update_interfaces(self, args: rpc.Arguments) -> rpc.Answer:
        rack = self._rack
        if rack is not None:
            interfaces = [Interface.from_dict(i) for i in args["interfaces"]]
            await self._worker.database(lambda cur: nodes.update_known(cur, rack, interfaces))
        return {}

    async def _gone(self) -> None:
        """The connection closed: at once a dead connection counts (maas-facts §4.6)."""
        rack, process = self._rack, self._worker.process
        if rack is None:
            return
        peers = self._peers[rack]
        peers.discard(self._peer)
        if peers:
            return
        del self._peers[rack]
        if process is None:
            return
        try:
            await self._worker.database(functools.partial(processes.disconnected, process=process, rack=rack))
        except psycopg2.Error as error:
            log.error("Database: %s", str(error).strip())
