"""A host against the MAAS that it joins, before anything is touched: what MAAS wouldn't notice (maas-facts §4, §9)."""

from __future__ import annotations

import email.utils
import http.client
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.bundle import RackSettings, RegionSettings
from agent.controllers import Controller, controllers, mixed_versions, short_version
from agent.database_client import ask
from agent.errors import StepError
from agent.maas_api import MaasApi, NobodyAnswersError, event_loops
from agent.maas_http import trusting
from agent.machine import Work
from agent.mistakes import Mistake, decide
from agent.packaging import PACKAGINGS, Packaging
from agent.preflight import HOSTNAME
from agent.snaps import Snaps

CLOCK_REFUSED = 300.0
"""Seconds between two clocks from which MAAS refuses every request (maas-facts §0a row 5)."""
CLOCK_REPORTED = 5.0
"""Seconds from which a clock is worth a word; the Date header has whole ones."""
HTTP_TIMEOUT = 5.0
INTERFACES = "/sys/class/net"
NO_MAC = "00:00:00:00:00:00"
MAAS_URL = re.compile(r"^maas_url: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Joining:
    """A controller and the MAAS that it joins or is of."""

    work: Work
    packaging: Packaging
    package: str
    """Package that makes it this controller; a snap is asked for by its own name."""
    api: MaasApi
    urls: Sequence[str]
    """Every address of MAAS that it will use or be told of."""
    ca_certificate: str = ""

    @property
    def is_new(self) -> bool:
        """True if nothing was committed for it yet."""
        return self.work.record is None

    @property
    def hostname(self) -> str:
        """Short, as MAAS has it."""
        return self.work.paths.at(HOSTNAME).read_text().strip().partition(".")[0]


def check_rack(work: Work, settings: RackSettings, api: MaasApi) -> None:
    """Refuse what MAAS would take of a rack and suffer from. Raises `StepError` with every reason."""
    packaging = PACKAGINGS[settings.packaging]
    package = packaging.rack_packages[0]
    check_joining(Joining(work, packaging, package, api, settings.api_urls, settings.ca_certificate))


def check_region(work: Work, settings: RegionSettings) -> None:
    """The same of a region, among its peers. The first one has no key to ask with: only clocks are compared."""
    packaging, authority = PACKAGINGS[settings.packaging], settings.ca_certificate
    decide(work.report, _maas_url(work, settings, packaging.regiond_conf))
    if settings.leader:
        check_clock(work, settings.api_urls, authority)
        return
    api = MaasApi(settings.api_urls, work.secret("api_key"), authority)
    check_joining(Joining(work, packaging, packaging.region_packages[0], api, settings.api_urls, authority))


def check_joining(joining: Joining) -> None:
    """Refuse what MAAS would take and suffer from. Raises `StepError` with every reason."""
    report = joining.work.report
    report.step("compare this host with MAAS")
    answering = check_clock(joining.work, joining.urls, joining.ca_certificate)
    decide(report, _one_maas(joining, answering))
    try:
        known = controllers(joining.api)
    except NobodyAnswersError as error:
        if error.broken:
            raise
        report.say("MAAS doesn't answer yet: this host isn't compared with its other controllers")
        return
    decide(report, [*_twins(joining, known), *_versions(joining, known)])


def check_clock(work: Work, urls: Sequence[str], ca_certificate: str = "") -> list[str]:
    """Those of `urls` that answer. Raises `StepError` if the clocks are too far apart."""
    offsets = {url: clock_offset(url, ca_certificate) for url in urls}
    known = {url: offset for url, offset in offsets.items() if offset is not None}
    decide(work.report, _clock(known))
    return list(known)


def clock_offset(url: str, ca_certificate: str = "") -> float | None:
    """Seconds by which this host's clock is ahead of the one behind `url`; None if nobody answers there."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        secure = trusting(ca_certificate)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=HTTP_TIMEOUT, context=secure
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=HTTP_TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}/rpc/")
        told = connection.getresponse().getheader("Date") or ""
        return time.time() - email.utils.parsedate_to_datetime(told).timestamp()
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _clock(offsets: Mapping[str, float]) -> Iterator[Mistake]:
    """The worst of all clocks; the balanced address and a region may be the same machine."""
    url = max(offsets, key=lambda each: abs(offsets[each]), default="")
    if url and abs(offsets[url]) >= CLOCK_REPORTED:
        way = "ahead of" if offsets[url] > 0 else "behind"
        yield Mistake(
            f"this host's clock is {abs(offsets[url]):.0f} s {way} that of {url}",
            f"MAAS refuses requests from {CLOCK_REFUSED:.0f} s on, and what controllers tell each other expires"
            " (maas-facts §0a row 5, §9)",
            "set both clocks by the same time servers",
            is_refused=abs(offsets[url]) >= CLOCK_REFUSED,
        )


def _one_maas(joining: Joining, answering: Sequence[str]) -> Iterator[Mistake]:
    """A rack with addresses of two MAAS joins now the one, now the other (maas-facts §9)."""
    if len(answering) < 2:
        return
    listed: dict[str, set[str]] = {}
    for url in answering:
        try:
            listed[url] = set(event_loops(url, joining.ca_certificate))
        except (OSError, StepError):
            continue  # nothing to compare
    known = {url: loops for url, loops in listed.items() if loops}
    first = next(iter(known), "")
    for url, loops in known.items():
        if not loops & known[first]:
            yield Mistake(
                f"{first} and {url} list no event loop in common",
                "they are two MAAS, and a rack that knows both joins now the one, now the other (maas-facts §9)",
                "use hosts of one MAAS: no region of this stack may be on another's database",
            )


def _maas_url(work: Work, settings: RegionSettings, path: str) -> Iterator[Mistake]:
    """The region that starts last writes its `maas_url` for all (maas-facts §2); here all are given the same."""
    conf = work.paths.at(path)
    own = MAAS_URL.search(conf.read_text()) if work.record and conf.exists() else None
    if own is None or all(own[0] not in file.content for file in work.bundle.files if file.path == path):
        return
    answer = ask(work, settings, "SELECT value #>> '{}' FROM maasserver_config WHERE name = 'maas_url';\n")
    told = answer.stdout.strip()
    if answer.code == 0 and told and told != own[1]:
        yield Mistake(
            f"MAAS's maas_url is {told}, all regions of this stack were given {own[1]}",
            "the region that starts last decides for all (maas-facts §2)",
            "look for a region on this database that isn't of this stack, or whose regiond.conf was changed by hand",
            is_refused=False,
        )


def _twins(joining: Joining, known: Sequence[Controller]) -> Iterator[Mistake]:
    """MAAS would take this host for a controller with its hostname or one of its MACs (maas-facts §4.5)."""
    own = {path.read_text().strip().lower() for path in joining.work.paths.at(INTERFACES).glob("*/address")} - {
        NO_MAC,
        "",
    }
    reason = "MAAS knows a controller by hostname or any MAC and would take the two for one (maas-facts §4.5)"
    for other in known:
        shared = ", ".join(sorted(own & other.macs))
        if other.hostname != joining.hostname and shared:
            remedy = "give each interface its own; clones of one disk or virtual machine often share one"
            yield Mistake(f"the MAC {shared} here is {other.hostname}'s too", reason, remedy)
        if other.hostname == joining.hostname and not shared and other.runs_rackd and joining.is_new:
            remedy = "rename this host, or wait until MAAS sees that the other is gone"
            yield Mistake(f"a rack called {other.hostname} runs already, on another machine", reason, remedy)


def _versions(joining: Joining, known: Sequence[Controller]) -> Iterator[Mistake]:
    """All controllers run one version, but while an upgrade rolls (maas-facts §9)."""
    own = _own_version(joining)
    others = {other.hostname: other.version for other in known if other.hostname != joining.hostname}
    if mixed := mixed_versions({**others, joining.hostname: own}):
        new = joining.is_new and bool(own)
        yield Mistake(
            f"MAAS would run in different versions: {mixed}" if new else f"MAAS runs in different versions: {mixed}",
            "MAAS takes that and only shows a notice (maas-facts §9)",
            "bring all to one version before another controller joins: racks first, then regions"
            if new
            else "finish the upgrade: racks first, then regions",
            is_refused=new,
        )


def _own_version(joining: Joining) -> str:
    work = joining.work
    if joining.packaging.name == "snap":
        snap = Snaps(work.paths, work.commands, work.report).maas()
        return short_version(snap.version) if snap else ""
    return short_version(work.packages.version(joining.package))
