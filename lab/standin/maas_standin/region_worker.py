"""One worker of regiond: its event loop for racks, its share of the web application, its PostgreSQL connections."""

import asyncio
import contextlib
import functools
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2
import psycopg2.extensions

from . import daemon_log, dhcp_config, net, processes, region, webapp
from .db import Cursor
from .paths import Paths, read_text
from .pool import LIMIT, Pool
from .region import Host, StartError
from .region_rpc import RackSessions
from .schema import DHCP_CHANNEL, SHUTOFF_CHANNEL, VIEW

log = logging.getLogger("maasserver.worker")
T = TypeVar("T")

FIRST_PORT, LAST_PORT = 5250, 5259
"""A worker takes the first free one; the eleventh on a host gets none (maas-facts §2)."""


LOOK = f"SELECT 1 FROM {VIEW} LIMIT 1"  # noqa: S608 - a constant


def idle_connections(index: int) -> int:
    """Pool connections a worker holds while idle.

    With the master's ten and one listener each this gives the totals seen: 16 with two workers, 21 with four, 41 with
    eleven (maas-facts §0a, row 7).
    """
    return 1 if index % 4 == 3 else 2


class Worker:
    """Worker number `index` of this host's regiond."""

    def __init__(self, host: Host, index: int) -> None:
        self._host = host
        self._knobs = host.knobs
        self._system_id = read_text(host.paths.maas_id) or region.NO_ID
        self._pool = Pool(
            host.config, host.application_name, keep=host.knobs.held(full=LIMIT, idle=idle_connections(index))
        )
        self._racks = RackSessions(self)
        self._web = webapp.Server(host.paths.webapp_socket(index), self._pool, self._racks)
        self._port: int | None = None
        self._due: set[str] = set()
        self._due_now = asyncio.Event()
        self.process: int | None = None
        """Row id of this process, once it has registered."""

    @property
    def host(self) -> Host:
        """The host this worker runs on."""
        return self._host

    async def database(self, work: Callable[[Cursor], T]) -> T:
        """A transaction in a thread. Raises psycopg2.Error."""
        return await asyncio.to_thread(self._pool.transaction, work)

    async def run(self) -> None:
        """Until SIGTERM, or until the master is gone."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._web.start()
        server = await self._listen()
        tasks = [
            loop.create_task(self._refresh_for_ever()),
            loop.create_task(self._manage_for_ever()),
            loop.create_task(self._notified_for_ever()),
            loop.create_task(self._watch_master(stop)),
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
        self._web.stop()
        if server is not None:
            server.close()
        await self._racks.close()
        self._pool.close()

    async def _listen(self) -> asyncio.AbstractServer | None:
        for port in range(FIRST_PORT, LAST_PORT + 1):
            try:
                server = await self._racks.listen(port)
            except OSError:
                continue
            self._port = port
            return server
        log.error("RegionServer endpoint failed to listen.")
        return None

    async def refresh(self) -> None:
        """Write this process's row, addresses and racks. Raises psycopg2.Error."""
        if self._port is None:
            return
        endpoints = [(address, self._port) for address in await asyncio.to_thread(net.addresses)]
        work = functools.partial(
            processes.refresh,
            region=self._system_id,
            pid=os.getpid(),
            endpoints=endpoints,
            racks=self._racks.connected(),
        )
        known = self.process
        self.process = await self.database(work)
        if self.process != known:
            await self.database(processes.update_all_racks)

    async def _refresh_for_ever(self) -> None:
        while True:
            try:
                await self.refresh()
                await asyncio.to_thread(self._pool.fill)
                pause = self._knobs.process_refresh_s
            except psycopg2.Error as error:
                log.error("Database: %s", str(error).strip())
                pause = self._knobs.listener_retry_s
            await asyncio.sleep(pause)

    def dhcp_is_due(self, rack: str) -> None:
        """Tell the rack its DHCP configuration, if this process manages it, until it has taken it, as MAAS does."""
        self._due.add(rack)
        self._due_now.set()

    async def _manage_for_ever(self) -> None:
        """Take over racks that no process manages, and give them their DHCP configuration."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._due_now.wait(), self._knobs.manage_s)
            self._due_now.clear()
            if self.process is None:
                continue
            try:
                await self._manage(self.process)
            except psycopg2.Error as error:
                log.error("Database: %s", str(error).strip())

    async def _manage(self, process: int) -> None:
        racks = self._racks.connected()
        await self.database(functools.partial(processes.release, process=process, connected=racks))
        if not racks:
            return
        # What a live cluster logs for as long as `dbupgrade` has its views dropped (maas-facts §0a, row 1.2).
        await self.database(lambda cur: cur.execute(LOOK))
        self._due.update(await self.database(functools.partial(processes.take_over, process=process, racks=racks)))
        managed = await self.database(functools.partial(processes.managed, process=process))
        self._due.intersection_update(managed)
        for rack in sorted(self._due):
            self._due.discard(rack)  # a change from here on makes it due again
            told = False
            try:
                told = await self._configure_dhcp(rack)
            finally:
                if not told:
                    self._due.add(rack)

    async def _configure_dhcp(self, rack: str) -> bool:
        """Whether the rack has taken its DHCP configuration. Raises psycopg2.Error."""
        configuration = await self.database(lambda cur: dhcp_config.for_rack(cur, rack))
        return await self._racks.call(rack, "ConfigureDHCPv4", configuration=configuration)

    async def _notified_for_ever(self) -> None:
        while True:
            try:
                listener = await asyncio.to_thread(self._host.listener, DHCP_CHANNEL, SHUTOFF_CHANNEL)
                try:
                    await self._follow(listener)
                finally:
                    listener.close()
            except psycopg2.Error as error:
                log.error("Listener: %s", str(error).strip())
            await asyncio.sleep(self._knobs.listener_retry_s)

    async def _follow(self, listener: psycopg2.extensions.connection) -> None:
        """Act on notifications until the connection breaks. Raises psycopg2.Error."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(listener.fileno(), readable.set)
        descriptor = listener.fileno()
        try:
            while True:
                await readable.wait()
                readable.clear()
                listener.poll()
                received = {(n.channel, n.payload) for n in listener.notifies}
                listener.notifies.clear()
                for channel, payload in sorted(received):
                    await self._notified(channel, payload)
        finally:
            loop.remove_reader(descriptor)

    async def _notified(self, channel: str, payload: str) -> None:
        if channel == SHUTOFF_CHANNEL:
            await self._racks.call(payload, "DisableAndShutoffRackd")
            return
        process = self.process
        if process is None:
            return
        rack = await self.database(lambda cur: processes.manages(cur, process, int(payload)))
        if rack is not None:
            self.dhcp_is_due(rack)

    async def _watch_master(self, stop: asyncio.Event) -> None:
        master = os.getppid()
        while os.getppid() == master:
            await asyncio.sleep(0.5)
        stop.set()


def main() -> int:
    """`python3 -m maas_standin.region_worker INDEX`, started by the master."""
    paths = Paths.here()
    os.umask(0o007)
    daemon_log.configure(paths.logs / "regiond.log")
    while True:
        try:
            worker = Worker(region.read_host(paths), int(sys.argv[1]))
            break
        except StartError as error:
            log.error("%s", error)
            time.sleep(1.0)
    asyncio.run(worker.run())
    # Threads of half-served requests must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
