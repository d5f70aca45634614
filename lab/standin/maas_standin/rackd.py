"""rackd: waits for the secret, keeps connected to every region process, runs dhcpd, reports its services."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys

from . import config, daemon_log, knobs, net, nodes, rpc
from .paths import Paths, read_text
from .rack_client import RackClient
from .rack_dhcp import Dhcpd
from .services import RACK_UNIT

log = logging.getLogger("provisioningserver.rackd")

SECRET_POLL_S = 0.5
OWN_BY_REGION = ("ntp_rack", "proxy_rack", "syslog_rack", "dns_rack")
"""Services that a region+rack controller runs as a region."""


class Rackd:
    """The daemon."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._knobs = knobs.read(paths.standin_conf)
        self._settings = config.read_rack(paths.rackd_conf)
        self._stop = asyncio.Event()
        self._dhcpd = Dhcpd(paths, self._knobs)
        self._client: RackClient | None = None

    async def run(self) -> None:
        """Until SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        secret = await self._wait_for_secret()
        if secret is not None:
            await self._serve(secret)
        else:
            # No services for ever; writing the file now changes nothing until a restart (maas-facts §0a, row 3).
            await self._stop.wait()

    async def _wait_for_secret(self) -> str | None:
        """Silently poll the file; None once the wait is over, or when told to stop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._knobs.secret_wait_s
        while (secret := read_text(self._paths.secret)) is None:
            if loop.time() >= deadline or await self._stopped_within(SECRET_POLL_S):
                return None
        return secret

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    async def _serve(self, secret: str) -> None:
        bytes.fromhex(secret)  # a secret that isn't hexadecimal breaks rackd at once (maas-facts §1.3)
        notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notifications.bind(str(self._paths.dhcpd_socket))  # refused over a leftover (maas-facts §0a, row 10)
        self._paths.dhcpd_conf.unlink(missing_ok=True)  # written anew once a region says so (maas-facts §6)
        client = RackClient(self._settings.maas_url, secret, self._paths, self._knobs, self._dhcpd, self._wipe)
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(client.run()),
            asyncio.create_task(self._report_for_ever(client)),
        ]
        stopped: asyncio.Task[object] = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await client.close()
        await self._dhcpd.shut_down()
        await asyncio.sleep(self._knobs.rack_stop_s)
        notifications.close()
        self._paths.dhcpd_socket.unlink(missing_ok=True)
        for task in done:
            task.result()

    async def _report_for_ever(self, client: RackClient) -> None:
        """The state of the rack's services; rackd's own is the region's to judge (maas-facts §5)."""
        while client.any_peer() is None:
            await asyncio.sleep(0.1)
        await asyncio.sleep(self._knobs.services_unknown_s)
        while True:
            peer = client.any_peer()
            if peer is not None:
                await self._dhcpd.ensure()
                try:
                    await peer.call("UpdateServices", services=await self._services())
                    interfaces = [i.to_dict() for i in await asyncio.to_thread(net.interfaces)]
                    await peer.call("UpdateInterfaces", interfaces=interfaces)
                except (rpc.ConnectionLostError, rpc.RemoteError, TimeoutError) as error:
                    log.error("Failed to report services: %s", error)
            await asyncio.sleep(self._knobs.services_s)

    async def _services(self) -> list[tuple[str, str, str]]:
        with_region = self._paths.runs_region
        return [(name, await self._status(name, with_region), "") for name in nodes.rack_services() if name != "rackd"]

    async def _status(self, name: str, with_region: bool) -> str:
        if name == "dhcpd":
            if not self._dhcpd.wanted:
                return "off"
            return "running" if await self._dhcpd.running() else "dead"
        if name == "dhcpd6" or (with_region and name in OWN_BY_REGION):
            return "off"
        return "running"

    def _wipe(self) -> None:
        """The controller was deleted: the secret goes, maas_id and dhcpd.conf stay (maas-facts §0a, row 5)."""
        log.info("Rack controller has been deleted; wiping the secret and restarting.")
        self._paths.secret.unlink(missing_ok=True)
        # Our own stop is part of that restart, so nobody waits for it.
        subprocess.Popen([*self._knobs.systemctl.split(), "restart", RACK_UNIT])


def main() -> int:
    """`python3 -m maas_standin.rackd`."""
    paths = Paths.here()
    os.umask(0o007)
    daemon_log.configure(paths.logs / "rackd.log")
    asyncio.run(_main(paths))
    return 0


async def _main(paths: Paths) -> None:
    await Rackd(paths).run()


if __name__ == "__main__":
    sys.exit(main())
