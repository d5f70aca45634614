"""The rack's dhcpd: writes its files and lets systemd run it (maas-facts §6, §0a row 6)."""

import asyncio
import logging

from . import dhcp, version
from .knobs import Knobs
from .paths import Paths, read_text, write_atomically
from .services import DHCPD_UNIT, state, systemctl

log = logging.getLogger("provisioningserver.dhcp")


class Dhcpd:
    """One rack's DHCP service. All methods belong to rackd's event loop."""

    def __init__(self, paths: Paths, knobs: Knobs) -> None:
        self._paths = paths
        self._knobs = knobs
        self._lock = asyncio.Lock()
        self._stopping = False
        self.wanted = False
        """Whether the region has told this rack to serve DHCP."""

    async def configure(self, configuration: dhcp.Configuration) -> None:
        """Bring dhcpd in line with the configuration; restarts it only for a change."""
        async with self._lock:
            if not configuration["shared_networks"]:
                await self._turn_off()
                return
            text, names = dhcp.render(configuration), " ".join(configuration["interfaces"])
            current = read_text(self._paths.dhcpd_conf), read_text(self._paths.dhcpd_interfaces)
            changed = current != (text.strip(), names)
            if self.wanted and not changed and await self.running():
                return
            await asyncio.sleep(self._knobs.dhcp_change_s if self.wanted else self._knobs.dhcp_first_s)
            if self._stopping:
                return
            self.wanted = True
            write_atomically(self._paths.dhcpd_conf, text)
            write_atomically(self._paths.dhcpd_interfaces, names)
            await asyncio.to_thread(systemctl, self._knobs, "restart", DHCPD_UNIT)
            log.info("dhcpd (re)started on %s.", names)

    async def running(self) -> bool:
        """Whether dhcpd runs."""
        return await self._state() == "active"

    async def ensure(self) -> None:
        """Start dhcpd again if it died; as rackd's unit stops it is "deactivating", and to be left so."""
        async with self._lock:
            if self.wanted and await self._state() in ("inactive", "failed") and not self._stopping:
                await asyncio.to_thread(systemctl, self._knobs, "start", DHCPD_UNIT)

    async def lost_all_regions(self) -> None:
        """Up to MAAS 3.6 a rack that loses its last region stops DHCP (maas-facts §0a, row 4)."""
        if version.MINOR >= (3, 7):
            return
        async with self._lock:
            if self.wanted:
                log.error("Lost all connections to region controllers. Stopping service(s) dhcpd.")
                await self._stop()

    async def shut_down(self) -> None:
        """Every stop of rackd stops dhcpd (maas-facts §0a, row 4)."""
        self._stopping = True  # what regions have told or tell meanwhile starts it no more
        async with self._lock:
            if self.wanted:
                await self._stop()

    async def _turn_off(self) -> None:
        if self.wanted:
            await self._stop()
            self._paths.dhcpd_conf.unlink(missing_ok=True)
            log.info("dhcpd stopped: this rack serves no VLAN.")

    async def _state(self) -> str:
        return await asyncio.to_thread(state, self._knobs, DHCPD_UNIT)

    async def _stop(self) -> None:
        self.wanted = False
        await asyncio.to_thread(systemctl, self._knobs, "stop", DHCPD_UNIT)
