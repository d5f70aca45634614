"""A machine that is to be a controller, before its packages: what MAAS wouldn't notice (maas-facts §4.5, §9, §10)."""

from __future__ import annotations

from collections.abc import Iterator

from agent.bundle import HostSettings
from agent.machine import Work
from agent.mistakes import Mistake, decide
from agent.records import Records

OS_RELEASE = "/etc/os-release"
HOSTNAME = "/proc/sys/kernel/hostname"
GUESTS = "/etc/libvirt/qemu"
"""libvirt keeps a file NAME.xml for each guest here."""
HYPERVISORS = ("libvirtd.service", "virtqemud.service", "lxd.service", "snap.lxd.daemon.service")
"""Units that serve virtual machines; sockets that only wait for a first use don't count."""
RIVAL_PACKAGES = frozenset({"ntp", "ntpsec", "openntpd", "systemd-timesyncd"})
"""Packages that can't be beside the chrony that MAAS's packages bring."""
RIVAL_OF_REGION = "dnsmasq"
RIVAL_CLOCKS = ("chrony.service", "ntp.service", "ntpsec.service", "openntpd.service", "systemd-timesyncd.service")
"""Units that steer the clock beside the chrony in the snap."""


def check_machine(work: Work, settings: HostSettings) -> None:
    """Refuse a machine that can't be what its roles say. Raises `StepError` with every reason."""
    roles = settings.roles
    if not {"region", "rack"} & set(roles):
        return
    found = [*_name(work), *_release(work, settings.ubuntu)]
    found += _virtual_machines(work) if "rack" in roles else ()
    found += _clock_units(work) if settings.snap_channel else _rival_packages(work, roles)
    decide(work.report, found)


def _name(work: Work) -> Iterator[Mistake]:
    own = work.paths.at(HOSTNAME).read_text().strip()
    if own.partition(".")[0] != work.bundle.host:
        yield Mistake(
            f"this machine calls itself {own}, the stack file calls it {work.bundle.host}",
            "MAAS tells controllers apart by their hostname (maas-facts §4.5)",
            f"run `hostnamectl set-hostname {work.bundle.host}` there, or use its name in the stack file",
        )


def _release(work: Work, ubuntu: str) -> Iterator[Mistake]:
    try:
        lines = work.paths.at(OS_RELEASE).read_text().splitlines()
    except FileNotFoundError:
        return
    told = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    release = told.get("VERSION_ID", "")
    if ubuntu and told.get("ID") == "ubuntu" and release != ubuntu:
        yield Mistake(
            f"this machine runs Ubuntu {release}",
            f"the packages of the wanted MAAS are for Ubuntu {ubuntu} alone (maas-facts §0)",
            "install that on it, or write another maas.version, or packaging: snap",
        )


def _virtual_machines(work: Work) -> Iterator[Mistake]:
    serving = [name for name, state in work.units.states(HYPERVISORS).items() if state.active]
    guests = sorted(path.stem for path in work.paths.at(GUESTS).glob("*.xml"))
    seen = [f"{', '.join(serving)} runs here"] if serving else []
    seen += [f"libvirt has guests here ({', '.join(guests)})"] if guests else []
    if seen:
        yield Mistake(
            " and ".join(seen),
            "a rack on a host of virtual machines goes unnoticed by MAAS, until deleting it by force deletes its"
            " virtual machines too (maas-facts §5, §9)",
            "put the rack on another host, or the virtual machines, and stop what serves them",
            is_refused=all(record.role != "rack" for record in Records(work.paths).all()),
        )


def _rival_packages(work: Work, roles: tuple[str, ...]) -> Iterator[Mistake]:
    installed = work.packages.installed()
    if set(work.bundle.packages) <= installed:
        return
    rivals = RIVAL_PACKAGES | ({RIVAL_OF_REGION} if "region" in roles else set())
    if found := sorted(rivals & installed):
        yield Mistake(
            f"{', '.join(found)} is installed here",
            "MAAS's packages bring chrony and conflict with it, and nothing of yours is removed for them"
            " (maas-facts §9, §10)",
            f"run `apt-get purge {' '.join(found)}` there",
        )


def _clock_units(work: Work) -> Iterator[Mistake]:
    if active := [name for name, state in work.units.states(RIVAL_CLOCKS).items() if state.active]:
        yield Mistake(
            f"{', '.join(active)} steers the clock here",
            "so does the chrony in the snap (maas-facts §9)",
            f"run `systemctl disable --now {' '.join(active)}` there",
            is_refused=False,
        )
