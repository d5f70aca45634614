"""What runs inside the snap, by mode: the daemons that have units of their own where MAAS comes from packages."""

import sys
from dataclasses import dataclass

from . import version
from .paths import Paths, read_text

TEMPORAL_PORTS = ("5271", "5272", "5273", "5274", "5281", "5282", "5283", "5284")


@dataclass(frozen=True)
class Program:
    """One process that the snap's daemon supervises."""

    name: str
    """As `maas status` has it."""
    argv: tuple[str, ...]
    autostart: bool = False
    """Whether the mode alone starts it; the others wait for regiond or rackd (maas-facts §10)."""

    @property
    def tag(self) -> str:
        """Its tag in the journal of MAAS ≥ 3.5 (maas-facts §10)."""
        return f"maas-{self.name}"


def programs(mode: str, paths: Paths) -> list[Program]:
    """The programs of a mode; none before `maas init`."""
    roles = mode.split("+")
    found = [Program("http", _nginx(paths), autostart=True), *map(_idle, ("chrony", "proxy", "syslog"))]
    if "region" in roles:
        found += [Program("regiond", _daemon("regiond"), autostart=True), _idle("bind9"), *_later_region()]
    if "rack" in roles:
        found += [Program("rackd", _daemon("rackd"), autostart=True), Program("dhcpd", _dhcpd(paths))]
        if version.MINOR >= (3, 5):
            found.append(_idle("agent", autostart=True))
    return sorted(found, key=lambda program: program.name) if mode != "none" else []


def current_mode(paths: Paths) -> str:
    """`region`, `rack`, `region+rack`, or `none` before `maas init` (maas-facts §1.1)."""
    return read_text(paths.snap_mode) or "none"


def _later_region() -> list[Program]:
    """What MAAS ≥ 3.5 runs beside regiond (maas-facts §0, §8)."""
    if version.MINOR < (3, 5):
        return []
    api = Program("apiserver", _daemon("listener", "5242"), autostart=True)
    return [
        api if version.MINOR >= (3, 6) else _idle("apiserver", autostart=True),
        Program("temporal", _daemon("listener", "--name", "maas-temporal", *TEMPORAL_PORTS)),
        _idle("temporal-worker"),
    ]


def _daemon(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"{__package__}.{module}", *arguments)


def _idle(name: str, *, autostart: bool = False) -> Program:
    """A service that reports `running` and does nothing."""
    return Program(name, ("/usr/bin/sleep", "infinity"), autostart)


def _nginx(paths: Paths) -> tuple[str, ...]:
    log = str(paths.state / "http/error.log")
    return ("/usr/sbin/nginx", "-e", log, "-g", "daemon off;", "-c", str(paths.state / "http/nginx.conf"))


def _dhcpd(paths: Paths) -> tuple[str, ...]:
    """As maas-facts §0a row 6 has it for packages, with the snap's paths and without a user of its own."""
    folder = paths.state / "dhcp"
    files = f"-pf {folder}/dhcpd.pid -cf {paths.dhcpd_conf} -lf {folder}/dhcpd.leases"
    return (
        *("/bin/sh", "-euc"),
        f"mkdir -p {folder}; touch {folder}/dhcpd.leases; "
        f"exec /usr/sbin/dhcpd -f -q -4 {files} $(cat {paths.dhcpd_interfaces})",
    )
