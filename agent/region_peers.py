"""Who goes on while a region is restarted: other regions, and a region for each rack (maas-facts §0a row 4, §4)."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Mapping, Sequence

from agent import region_health
from agent.errors import StepError
from agent.maas_api import MaasApi, Rack, event_loop_addresses
from agent.machine import Work
from agent.region_health import MAX_WORKERS, is_own, url_of
from agent.rpc_connections import PORTS, connected_to

COVERED_DEADLINE = 240.0
"""Seconds until all racks have another region: MAAS lists one that died for up to 150 s (maas-facts §0a row 4.6)."""
RACKS_DEADLINE = 120.0
"""Seconds until racks are back at a region that was restarted: they look for event loops each 5 to 30 s (§4.6)."""
KERNEL_PAUSE = 0.1
"""Seconds at most between two looks at this host's own connections, for which MAAS isn't asked."""
API_PORT = 5240
CONNECT_TIMEOUT = 3.0
ALIVE = ("running", "degraded")
"""MAAS's words for a rackd that has a region."""
SHARE = re.compile(r"(\d+)% connected")


class Peers:
    """Other regions and the racks, as this region, which still serves, and its kernel know them."""

    def __init__(self, work: Work, api: MaasApi) -> None:
        self._work = work
        self._api = api
        self._racks: dict[str, tuple[str, ...]] = {}
        """Name and addresses of each rack that was connected here."""

    def exist(self) -> bool:
        """True if MAAS knows another region, whether it serves or not. Raises `StepError`."""
        return len(self._api.regions()) > 1

    def require(self) -> None:
        """Wait until another region serves and no rack is connected to this one alone.

        Raises `StepError` where that doesn't come about: up to 3.6 a rack without a region stops its dhcpd.
        """
        self._work.report.step("look for a region that stands in")
        try:
            self._work.wait("another region for all clients and racks", COVERED_DEADLINE, self._uncovered)
        except StepError as error:
            raise StepError(
                f"{error.cause}\nThis region isn't restarted, since nobody would stand in for it: start what is away"
                " and apply again; a region that is gone for good goes out of the stack file and out of MAAS"
            ) from None

    def expect_all(self) -> None:
        """From here on every rack that has a region by now is one that comes here. Raises `StepError`."""
        self._racks = {rack.hostname: rack.addresses for rack in self._api.racks() if rack.rackd in ALIVE}

    def wait_for_racks(self, workers: int) -> None:
        """Wait until each rack that was connected here is, to every event loop. Raises `StepError`."""
        if not self._racks:
            return
        wanted = min(workers, MAX_WORKERS)
        try:
            self._work.wait(
                "racks that are connected again",
                RACKS_DEADLINE,
                lambda: self._away(wanted),
                longest_pause=KERNEL_PAUSE,
            )
        except StepError as error:
            raise StepError(
                f"{error.cause}\nLook at rackd's log there and let it reach ports 5250 to 5259 of this host, then apply"
                " again; regions after this one are left as they are"
            ) from None

    def _uncovered(self) -> str:
        """What speaks against a restart now, or ""."""
        try:
            listed = event_loop_addresses(region_health.OWN_URL)
        except OSError as error:
            return f"{region_health.OWN_URL}/rpc/: {error}"
        others = others_among(listed)
        if silent := sorted(name for name, addresses in others.items() if not any(map(_answers, addresses))):
            return f"{', '.join(silent)} doesn't answer"
        known = len(self._api.regions())
        if not others:
            return "this is the only region that serves" if known > 1 else ""
        expected = len(listed) * known / (len(others) + 1)
        racks = self._api.racks()
        here = self._here()
        self._racks = {rack.hostname: rack.addresses for rack in racks if _loops(rack.addresses, here)}
        alone = [rack.hostname for rack in racks if _is_alone(rack, len(_loops(rack.addresses, here)), expected)]
        return f"{', '.join(alone)} is connected to this region alone" if alone else ""

    def _away(self, wanted: int) -> str:
        here = self._here()
        away = [name for name, addresses in self._racks.items() if len(_loops(addresses, here)) < wanted]
        return f"{', '.join(away)} isn't connected to this region's {wanted} event loops" if away else ""

    def _here(self) -> Mapping[str, set[int]]:
        """Address → ports of event loops here that it is connected to."""
        found: dict[str, set[int]] = {}
        for address, port in connected_to(self._work.paths, PORTS):
            found.setdefault(address, set()).add(port)
        return found


def others_among(listed: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Name of each other region that has event loops among those `listed`, and its addresses."""
    others: dict[str, set[str]] = {}
    for loop, addresses in listed.items():
        if not is_own(loop):
            others.setdefault(loop.partition(":")[0], set()).update(addresses)
    return others


def _loops(addresses: tuple[str, ...], here: Mapping[str, set[int]]) -> set[int]:
    """Ports of this region's event loops that a rack with these addresses is connected to."""
    return {port for address in addresses for port in here.get(address, ())}


def _is_alone(rack: Rack, here: int, expected: float) -> bool:
    """True if no more event loops than the `here` of this region have the rack, by the share that MAAS tells.

    A rack that isn't connected here loses nothing. MAAS counts `expected` event loops in all, and tells whole percents.
    """
    if not here or rack.rackd == "running":
        return False
    told = SHARE.search(rack.services.get("rackd", ""))
    share = int(told[1]) if told else 0
    return math.ceil(round(share * expected / 100, 3)) <= here


def _answers(address: str) -> bool:
    """True if a region's API answers there, with its database."""
    try:
        with socket.create_connection((address, API_PORT), timeout=CONNECT_TIMEOUT):
            pass
        return bool(event_loop_addresses(url_of(address)))
    except (OSError, StepError):
        return False
