"""The rack's connections: one to every event loop of every region (maas-facts §4)."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence

from . import net, rack_regions, rpc, version
from .knobs import Knobs
from .paths import Paths, read_text, write_atomically
from .rack_dhcp import Dhcpd
from .rack_power import Power
from .rack_regions import EventLoops

log = logging.getLogger("provisioningserver.rpc.clusterservice")

CONNECT_TIMEOUT_S = 5.0


class RackClient:
    """Keeps the rack connected; `run` never ends by itself."""

    def __init__(
        self, urls: Sequence[str], secret: str, paths: Paths, knobs: Knobs, dhcpd: Dhcpd, wipe: Callable[[], None]
    ) -> None:
        self._urls = urls
        self._secret = secret
        self._paths = paths
        self._knobs = knobs
        self._dhcpd = dhcpd
        self._wipe = wipe
        self._power = Power(urls, knobs)
        self._peers: dict[str, rpc.Peer] = {}
        self._addresses: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._announced: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Poll for event loops, connect to new ones, leave those that went away."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            loops = await rack_regions.find(self._urls, self._paths, self._knobs.rack_http_timeout_s)
            if loops:
                await self._update(loops)
            await asyncio.sleep(self._pause(loops, loop.time() - started))

    def any_peer(self) -> rpc.Peer | None:
        """A connection to report on."""
        return next(iter(self._peers.values()), None)

    async def close(self) -> None:
        """Close all connections without the consequences of losing them."""
        peers, self._peers = list(self._peers.values()), {}
        for peer in peers:
            await peer.close()

    def _pause(self, loops: EventLoops, age: float) -> float:
        """maas-facts §4.6: quick without a connection or just started, slower the more is connected."""
        if not self._peers or age < self._knobs.rack_settle_s:
            return self._knobs.rack_poll_fast_s
        if set(loops) - set(self._peers):
            return self._knobs.rack_poll_partial_s
        return self._knobs.rack_poll_full_s

    async def _update(self, loops: EventLoops) -> None:
        for name in set(self._peers) - set(loops):
            await self._peers[name].close()
        missing = [name for name in loops if name not in self._peers]
        await asyncio.gather(*(self._connect(name, loops[name]) for name in missing))
        connected = frozenset(self._peers)
        if connected != self._announced and connected >= set(loops):
            regions = sorted({name.partition(":")[0] for name in connected})
            log.info(
                "Fully connected to all %d event-loops on all %d region controllers (%s).",
                len(connected),
                len(regions),
                ", ".join(regions),
            )
            rack_regions.save(self._paths, self._addresses.values())
        self._announced = connected

    async def _connect(self, name: str, endpoints: Sequence[tuple[str, int]]) -> None:
        for address, port in endpoints:
            try:
                opened = asyncio.open_connection(address, port, limit=rpc.LINE_LIMIT)
                reader, writer = await asyncio.wait_for(opened, CONNECT_TIMEOUT_S)
            except (TimeoutError, OSError):
                continue
            await self._introduce(name, address, rpc.Peer(reader, writer))
            return
        log.warning("Event-loop '%s' could not be reached.", name)

    async def _introduce(self, name: str, address: str, peer: rpc.Peer) -> None:
        """Authenticate and register; the connection counts only after both."""
        handshake = rpc.Handshake(peer, self._secret)
        peer.handlers |= {
            "Ping": self._ping,
            "ConfigureDHCPv4": self._configure_dhcp,
            "DisableAndShutoffRackd": self._shut_off,
            **self._power.handlers,
        }
        self._keep(peer.serve())
        try:
            if not await handshake.run():
                log.error("Event-loop '%s' FAILED authentication; dropping connection.", name)
                await peer.close()
                return
            answer = await peer.call(
                "RegisterRackController",
                system_id=read_text(self._paths.maas_id),
                hostname=socket.gethostname(),
                interfaces=[i.to_dict() for i in await asyncio.to_thread(net.interfaces)],
                version=version.LONG,
            )
        except (rpc.ConnectionLostError, rpc.RemoteError, TimeoutError, ValueError) as error:
            log.error("Failed to register with region controller at '%s': %s", name, error)
            await peer.close()
            return
        log.info("Event-loop '%s' authenticated; registered as %s.", name, answer["system_id"])
        write_atomically(self._paths.maas_id, answer["system_id"])
        write_atomically(self._paths.maas_uuid, answer["uuid"])
        self._peers[name], self._addresses[name] = peer, address
        self._keep(self._watch(name, peer))
        self._keep(self._ping_for_ever(peer))

    async def _watch(self, name: str, peer: rpc.Peer) -> None:
        await peer.closed.wait()
        if self._peers.get(name) is not peer:
            return
        del self._peers[name], self._addresses[name]
        log.info("Lost connection to event-loop '%s'.", name)
        if not self._peers:
            await self._dhcpd.lost_all_regions()

    async def _ping_for_ever(self, peer: rpc.Peer) -> None:
        while not peer.closed.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(peer.closed.wait(), self._knobs.ping_s)
                return
            try:
                await peer.call_within(self._knobs.ping_timeout_s, "Ping", {})
            except (rpc.ConnectionLostError, rpc.RemoteError, TimeoutError):
                await peer.close()

    async def _ping(self, args: rpc.Arguments) -> rpc.Answer:
        return {}

    async def _configure_dhcp(self, args: rpc.Arguments) -> rpc.Answer:
        await self._dhcpd.configure(args["configuration"])
        return {}

    async def _shut_off(self, args: rpc.Arguments) -> rpc.Answer:
        self._wipe()
        return {}

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
