"""A rack from packages of an older MAAS to the wanted one, before any region has it (ADR 12)."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterable

from agent.bundle import RackSettings
from agent.controllers import short_version
from agent.deb_versions import is_older, refuse_newer, refuse_other_offer
from agent.errors import StepError
from agent.failover import Dhcpd
from agent.identity import URL
from agent.maas_http import read_json
from agent.machine import Work
from agent.packaging import DEB
from agent.rack_deb import DebRack
from agent.records import Records
from agent.rpc_connections import connected_event_loops, endpoint

PACKAGE = DEB.rack_packages[0]
PARTNER_DEADLINE = 180.0
"""Seconds until dhcpd's partner, which may have been upgraded just now, serves beside this one."""
BACK_DEADLINE = 300.0
"""Seconds until rackd is connected to every event loop and its dhcpd serves; it looks for them each 1 to 30 s."""


class RackUpgrade:
    """Nothing where no rack was committed yet, or where it has the wanted version."""

    def __init__(self, work: Work, wanted: str) -> None:
        self._work = work
        self._wanted = wanted
        settings = [record.settings for record in Records(work.paths).all() if record.role == "rack"]
        rack = next((one for one in settings if isinstance(one, RackSettings)), None)
        self._is_under_way = (
            rack is not None and rack.packaging == DEB.name and is_older(rack.maas_version, self._wanted)
        )
        self._is_due = False
        self._dhcpd = Dhcpd(work.paths, f"{DEB.data}/dhcpd.conf", f"{DEB.dhcp}/dhcpd.leases")
        self._peers: tuple[str, ...] = ()

    def prepare(self) -> None:
        """While all goes on as before: refuse what can't work, and fetch packages. Raises `StepError`."""
        if not self._is_under_way:
            return
        work = self._work
        work.packages.configure_pending()
        here = work.packages.version(PACKAGE)
        refuse_newer(here, self._wanted)
        self._is_due = is_older(here, self._wanted)
        if not self._is_due:
            return
        work.report.step(f"upgrade from MAAS {short_version(here)} to {self._wanted}")
        refuse_other_offer(work.packages, PACKAGE, self._wanted)
        work.packages.download(PACKAGE)
        try:
            work.wait("dhcpd's partner on another rack", PARTNER_DEADLINE, self._alone)
        except StepError as error:
            raise StepError(
                f"{error.cause}\nrackd isn't restarted here, since nobody would give out leases meanwhile: bring the"
                " other rack back, then apply again"
            ) from None

    def bring(self) -> None:
        """rackd restarts, and with it dhcpd; the partner serves meanwhile (maas-facts §0a row 4)."""
        self._peers = tuple(self._dhcpd.peers())
        if not self._is_due:
            return
        work = self._work
        before = work.units.process(DebRack.unit)
        work.packages.upgrade(PACKAGE)
        work.report.say(f"MAAS {short_version(work.packages.version(PACKAGE))} is installed")
        state = work.units.state(DebRack.unit)
        # Its package restarts it at once, past any policy (§10); one that leaves it alone would leave the old version.
        if state.active and work.units.process(DebRack.unit) == before:
            work.units.change("restart", DebRack.unit, state)

    def prove(self) -> None:
        """rackd is connected to every event loop, and dhcpd serves as before. Raises `StepError`."""
        if not self._is_under_way:
            return
        state = self._work.units.state(DebRack.unit)
        if not state.active:
            self._work.units.change("start", DebRack.unit, state)
        self._work.wait("rackd at every event loop", BACK_DEADLINE, self._away, unit=DebRack.unit)
        self._work.wait("dhcpd as before", BACK_DEADLINE, self._alone, unit=DebRack.unit)

    def _alone(self) -> str:
        """What is wrong with a failover pair that this host is of, or ""."""
        names = dict.fromkeys((*self._peers, *self._dhcpd.peers()))
        return next(filter(None, map(self._dhcpd.unsettled, names)), "")

    def _away(self) -> str:
        """What rackd isn't connected to, by what the first address of MAAS that answers lists; or ""."""
        here = set(connected_event_loops(self._work.paths))
        urls = URL.findall(self._work.paths.at(DEB.rackd_conf).read_text())
        said = []
        for url in urls:
            try:
                loops = _event_loops(url)
            except (OSError, StepError) as error:
                said.append(f"{url}: {error}")
                continue
            away = [name for name, ends in loops.items() if not here & ends]
            return f"not connected to {', '.join(away)}" if away else "" if loops else f"{url} lists no event loop"
        return "MAAS doesn't answer: " + "; ".join(said or ["no address is known"])


def _event_loops(url: str) -> dict[str, set[str]]:
    """Name of each event loop that `url` lists and its ends, as `ADDRESS:PORT` (maas-facts §4.2). Raises `OSError`."""
    answer = read_json(urllib.request.Request(f"{url.rstrip('/')}/rpc/"), "")  # noqa: S310 - http by its form
    loops = answer.get("eventloops") if isinstance(answer, dict) else None
    if not isinstance(loops, dict):
        raise OSError("no list of event loops")
    return {str(name): set(_ends(ends)) for name, ends in loops.items() if isinstance(ends, list)}


def _ends(ends: Iterable[object]) -> Iterable[str]:
    for end in ends:
        if isinstance(end, list) and len(end) == 2 and re.fullmatch(r"[0-9a-fA-F.:]+", str(end[0])):
            yield endpoint(str(end[0]), int(end[1]))
