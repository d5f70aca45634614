"""A region from packages of an older MAAS to the wanted one, within its own transaction (ADR 12).

Whether an upgrade is under way follows from the record: the version of the last commit. Whether packages are due is
asked of dpkg. So a transaction that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.bundle import RegionSettings
from agent.controllers import short_version
from agent.deb_versions import is_older, refuse_newer, refuse_other_offer
from agent.dump import Dump
from agent.errors import StepError
from agent.hold import OWN, Hold
from agent.maas_api import MaasApi, NobodyAnswersError
from agent.machine import Work
from agent.packaging import DEB
from agent.region_install import Installed
from agent.region_peers import ALIVE
from agent.region_restart import Restart
from agent.schema import Schema
from agent.signals import ignored

PACKAGE = DEB.region_packages[0]


class RegionUpgrade:
    """Of one region: on the first one with a dump and the migration, once the others are held."""

    def __init__(
        self, work: Work, settings: RegionSettings, installed: Installed, schema: Schema, restart: Restart
    ) -> None:
        self._work = work
        self._settings = settings
        self._installed = installed
        self._schema = schema
        self._restart = restart
        self._hold = Hold(work.paths)
        self._dump = Dump(work, settings)
        self._is_due = False
        self._before = ""
        self._told = ""

    @property
    def is_under_way(self) -> bool:
        """True until the first commit with the wanted version."""
        last = self._work.record.settings if self._work.record else None
        if self._settings.packaging != DEB.name or not isinstance(last, RegionSettings):
            return False
        return is_older(last.maas_version, self._settings.maas_version)

    def prepare(self, api_key: Callable[[], str]) -> None:
        """While all goes on as before: refuse what can't work, and fetch packages. Raises `StepError`."""
        work, wanted = self._work, self._settings.maas_version
        if not self.is_under_way:
            if self._hold.stands and self._settings.packaging == DEB.name:
                raise StepError(
                    "an upgrade holds this region back: `pulumi up` finishes it; to give it up before the first region"
                    " has the new version, write the old maas.version again and run `pulumi up`"
                )
            return
        work.packages.configure_pending()
        self._before = short_version(self._installed.version())
        refuse_newer(self._before, wanted)
        self._is_due = self._is_old()
        if not self._is_due:
            return
        work.report.step(f"upgrade from MAAS {self._before} to {wanted}")
        refuse_other_offer(work.packages, PACKAGE, wanted)
        if self._settings.leader:
            self._refuse_old_racks(api_key())
            self._refuse_other_regions()
            self._dump.refuse()
        work.packages.download(PACKAGE)

    def bring(self, api_key: Callable[[], str]) -> None:
        """No regiond of the old version runs any more; the new one is on the host, and not started."""
        if not self._is_due:
            return
        work, wanted = self._work, self._settings.maas_version
        if self._settings.leader:
            if self._installed.is_serving():
                self._restart.prepare_alone(api_key())
            self._installed.stop()
            self._schema.wait_for_silence()
            self._told = self._dump.take(f"{self._before}-before-{wanted}")
            self._hold.begin(OWN)
        elif self._installed.is_serving():
            self._restart.prepare(api_key())
            self._installed.stop()
        try:
            work.packages.upgrade(PACKAGE)
        except BaseException:
            with ignored():
                # Nothing of the new version came: the old one goes on with the schema that it knows.
                if self._settings.leader and self._is_old() and work.packages.is_whole():
                    self._hold.end()
            raise
        work.report.say(f"MAAS {short_version(self._installed.version())} is installed")

    def release(self, api_key: Callable[[], str]) -> None:
        """The schema fits what is installed: regiond may start. The other regions' clients come once it is proven."""
        if not self.is_under_way:
            return
        if not self._settings.leader and not self._installed.is_serving():
            self._restart.prepare_held(api_key())
        self._hold.end()

    def explained(self, error: StepError) -> StepError:
        """The same error with what it means here, if MAAS is away by now."""
        if not (self._settings.leader and self._hold.stands):
            return error
        told = f" The database as it was before is in {self._told}." if self._told else ""
        return StepError(
            f"{error.cause}\nMAAS is away: no region runs on a schema that is half migrated.{told} Remove the cause and"
            " run `pulumi up` again, which goes on here",
            unit=error.unit,
            log=error.log,
        )

    def _is_old(self) -> bool:
        return is_older(self._installed.version(), self._settings.maas_version)

    def _refuse_old_racks(self, api_key: str) -> None:
        """Racks first; one that is dead learns of nothing anyway (maas-facts §9)."""
        settings = self._settings
        try:
            racks = MaasApi(settings.api_urls, api_key, settings.ca_certificate).racks() if api_key else []
        except NobodyAnswersError as error:
            if error.broken:
                raise
            self._work.report.say(f"{error.cause}: racks aren't asked for their versions")
            return
        old = [rack for rack in racks if rack.version and is_older(rack.version, settings.maas_version)]
        if alive := [f"{rack.hostname} ({short_version(rack.version)})" for rack in old if rack.rackd in ALIVE]:
            raise StepError(
                f"racks come before regions, and {', '.join(alive)} isn't of MAAS {settings.maas_version}; nothing was"
                " touched here\nA rack of this stack: run `pulumi up` again. Another one: upgrade it by hand before"
            )
        if old:
            names = ", ".join(rack.hostname for rack in old)
            self._work.report.say(f"warning: {names} doesn't run, and is of an older MAAS")

    def _refuse_other_regions(self) -> None:
        if others := self._schema.other_sessions():
            raise StepError(
                f"regiond of another region runs at {', '.join(others)}, and no schema is changed under a running one;"
                " nothing was touched here\nA region of this stack: run `pulumi up` again, which holds it. Another one:"
                f" run `systemctl stop {self._installed.unit}` there"
            )
