"""A region's restart that nobody notices: another one stands in, this one is drained, comes back and is proven."""

from __future__ import annotations

import urllib.error

from agent import region_health
from agent.bundle import Effect, RegionSettings
from agent.drain import Drain
from agent.errors import StepError
from agent.maas_api import AWAY, MaasApi, event_loops
from agent.machine import Work
from agent.region_peers import Peers

DATABASE_DEADLINE = 60.0
"""Seconds in which a database that is handed over comes back; a region without one serves nobody."""
BACK_DEADLINE = 120.0
"""Seconds that a region is kept drained for after a failed change, until it serves as before."""


class Restart:
    """What surrounds the restart of regiond; nothing where there is no restart, or nobody to notice it."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self._work = work
        self._settings = settings
        self._drain = Drain(work, settings)
        self._peers: Peers | None = None

    def is_due(self, unit: str) -> bool:
        """True if a changed file restarts `unit`."""
        return any(change.effect is Effect.RESTART and unit in change.units for change in self._work.changes)

    def prepare(self, api_key: str) -> None:
        """Before regiond is told anything: the region doesn't serve, is the only one, or is drained.

        A transaction that changes packages calls this before they are installed: that restarts regiond too. The next
        call finds the region drained. Raises `StepError`.
        """
        if self._drain.is_held or not api_key or not self._serves():
            return
        peers = self._of(api_key)
        if not peers.exist():
            return
        peers.require()
        self._peers = peers
        self._drain.begin()

    def prepare_alone(self, api_key: str) -> None:
        """The same where the other regions are held: none stands in, and every rack is to come back."""
        if self._drain.is_held or not api_key or not self._serves():
            return
        self._peers = self._of(api_key)
        self._peers.expect_all()
        self._drain.begin(alone=True)

    def prepare_held(self, api_key: str) -> None:
        """Before a region starts that was held: clients come once every rack has. Raises `StepError`."""
        if self._drain.is_held:
            return
        peers = self._of(api_key)
        peers.expect_all()
        self._peers = peers
        self._drain.begin_stopped()

    def prove(self) -> None:
        """After it: the racks are back. Raises `StepError`."""
        if self._peers:
            self._peers.wait_for_racks(self._settings.workers)

    def end(self) -> None:
        """Balancers send new connections again. Raises `StepError`."""
        self._drain.end()

    def end_held(self) -> None:
        """The region has stopped and stays so: the drain ends once no balancer needs it. Raises `StepError`."""
        self._drain.end_stopped()

    def abandon(self) -> None:
        """The drain ends at once."""
        self._drain.release()

    def end_as_before(self) -> None:
        """After a failure, files and units as before: new connections come once it serves, or after a while."""
        if not self._drain.is_held:
            return
        try:
            self._work.wait("this region as it was", BACK_DEADLINE, _missing)
        except StepError as error:
            self._work.report.say(error.cause)
        self._drain.release()

    def _of(self, api_key: str) -> Peers:
        settings = self._settings
        urls = (region_health.url_of(settings.address), *settings.api_urls) if settings.address else settings.api_urls
        return Peers(self._work, MaasApi(urls, api_key, settings.ca_certificate))

    def _serves(self) -> bool:
        """False if nobody would miss it: regiond is down, or has had no database for a while."""
        try:
            self._work.wait("this region's own answer", DATABASE_DEADLINE, _not_serving_yet)
        except StepError as error:
            self._work.report.say(f"{error.cause}: it is restarted at once")
            return False
        return not _missing()


def _missing() -> str:
    try:
        event_loops(region_health.OWN_URL)
    except (OSError, StepError) as error:
        return f"{region_health.OWN_URL}/rpc/: {error}"
    return ""


def _not_serving_yet() -> str:
    """Why it may answer soon, or "" if it does or won't: 502 is said of a regiond that is down (§0a row 8)."""
    try:
        event_loops(region_health.OWN_URL)
    except urllib.error.HTTPError as error:
        return "" if error.code in AWAY else f"status {error.code}"
    except ConnectionRefusedError:
        return ""
    except OSError as error:
        refused = isinstance(getattr(error, "reason", None), ConnectionRefusedError)
        return "" if refused else str(error)
    except StepError as error:
        return error.cause
    return ""
