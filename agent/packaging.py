"""Where MAAS lives on a host, by deb and by snap (maas-facts §1, §2, §10). Program and agent both import this table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Packaging:
    """One way to install MAAS."""

    name: str
    regiond_conf: str
    rackd_conf: str
    owner: str
    """Owner and group of what regiond and rackd write again themselves."""
    data: str
    """Folder of `secret`, `maas_id`, `maas_uuid`, `rpc.state`."""
    certificates: str
    """Folder of the cluster's certificates (3.5 and later)."""
    agent_yaml: str
    """Written by rackd for the MAAS agent (3.5 and later)."""
    dhcp: str
    """Folder with dhcpd's leases."""
    region_packages: tuple[str, ...]
    rack_packages: tuple[str, ...]
    region_cli: str
    """Command that takes `apikey`, `createadmin`, `dbupgrade` or `migrate`."""
    client: str
    """MAAS's own client, which on a region also takes `config-tls` (maas-facts §8)."""
    handover: str
    """Folder for what one command of MAAS is to read, gone after it; the snap sees only its own (maas-facts §8)."""
    state_dirs: tuple[str, ...]

    @property
    def secret(self) -> str:
        """File with the shared secret (maas-facts §3)."""
        return f"{self.data}/secret"

    @property
    def maas_id(self) -> str:
        """File with the controller's system_id."""
        return f"{self.data}/maas_id"


DEB = Packaging(
    name="deb",
    regiond_conf="/etc/maas/regiond.conf",
    rackd_conf="/etc/maas/rackd.conf",
    owner="maas",
    data="/var/lib/maas",
    certificates="/var/lib/maas/certificates",
    agent_yaml="/etc/maas/agent.yaml",
    dhcp="/var/lib/maas/dhcp",
    region_packages=("maas-region-api", "postgresql-client"),  # not maas-region-controller: it brings a PostgreSQL
    rack_packages=("maas-rack-controller",),
    region_cli="maas-region",
    client="maas",
    handover="/var/lib/maas-ha/handover",
    state_dirs=("/etc/maas", "/var/lib/maas", "/var/log/maas"),
)

SNAP = Packaging(
    name="snap",
    regiond_conf="/var/snap/maas/current/regiond.conf",
    rackd_conf="/var/snap/maas/current/rackd.conf",
    owner="root",
    data="/var/snap/maas/common/maas",
    certificates="/var/snap/maas/current/certificates",
    agent_yaml="/var/snap/maas/current/agent.yaml",
    dhcp="/var/snap/maas/common/maas/dhcp",
    region_packages=("snapd", "postgresql-client"),
    rack_packages=("snapd",),
    region_cli="/snap/bin/maas",
    client="/snap/bin/maas",
    handover="/var/snap/maas/common/maas-ha",
    state_dirs=(),  # `snap remove --purge` takes them
)

PACKAGINGS = {packaging.name: packaging for packaging in (DEB, SNAP)}

SNAP_MODE = "/var/snap/maas/common/snap_mode"
"""`region`, `rack`, `region+rack`; absent before `maas init`."""


@dataclass(frozen=True)
class Release:
    """How a MAAS version runs on a host, as far as only the agent has to know (the rest: `config/versions.py`)."""

    snap_unit: str
    """The one unit that all of the snap runs in (maas-facts §1.1)."""
    log_folders: dict[str, str]
    """Packaging → folder of `regiond.log` and `rackd.log`; without one they log to the journal (maas-facts §10)."""
    region_services: tuple[str, ...] = ()
    """Units by deb that serve the region and hold database sessions beside regiond, which starts them (§10)."""
    must_own_database: bool = True
    """MAAS's role must be the database's owner (maas-facts §7)."""


_SUPERVISOR = Release(
    "snap.maas.supervisor.service",
    {"deb": "/var/log/maas", "snap": "/var/snap/maas/common/log"},
    must_own_database=False,
)
_PEBBLE = Release(
    "snap.maas.pebble.service",
    {},
    region_services=("maas-temporal-worker.service", "maas-apiserver.service", "maas-temporal.service"),
)

RELEASES = {"3.4": _SUPERVISOR, "3.5": _PEBBLE, "3.6": _PEBBLE, "3.7": _PEBBLE}
"""By `MAJOR.MINOR`."""


BOOT_UNITS = (
    "named.service",
    "chrony.service",
    "maas-http.service",
    "maas-proxy.service",
    "maas-syslog.service",
)
"""Units by deb that regiond starts but nobody enables (maas-facts §0a row 10); a rack uses some of them too."""


def snap_unit(version: str) -> str:
    """The one unit that all of MAAS runs in (maas-facts §1.1)."""
    return RELEASES[version].snap_unit


def dhcpd_unit(packaging: str) -> str:
    """What rackd starts and stops to serve DHCP; the snap's is no unit of its own (maas-facts §1.1, §10)."""
    return "maas-dhcpd.service" if packaging == DEB.name else "dhcpd"


def region_unit(packaging: str, version: str) -> str:
    """The unit in which regiond runs (maas-facts §1.1, §10)."""
    return snap_unit(version) if packaging == SNAP.name else "maas-regiond.service"


def region_log(packaging: str, version: str) -> str:
    """regiond's log file, "" where it logs to the journal (maas-facts §10)."""
    return _log(packaging, version, "regiond")


def rack_log(packaging: str, version: str) -> str:
    """rackd's log file, "" where it logs to the journal (maas-facts §10)."""
    return _log(packaging, version, "rackd")


def _log(packaging: str, version: str, daemon: str) -> str:
    folder = RELEASES[version].log_folders.get(packaging)
    return f"{folder}/{daemon}.log" if folder else ""
