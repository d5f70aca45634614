"""The contract between the program and the agent on a host: what one transaction is to bring about.

The program renders every text and sends one `Bundle` as JSON on the agent's standard input; the agent answers with one
`Outputs` line on standard output. Both sides import this module, so it needs nothing beyond the standard library.

Text never carries a secret: it names one with `secret_marker("database_password")` and the agent puts the value in when
it stages the file. The same text can therefore be shown in a preview.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import typing
from dataclasses import dataclass, field

from agent.cluster_settings import EtcdSettings, PatroniSettings, PostgresClusterSettings
from agent.keepalived import KeepalivedSettings
from agent.typed import BundleError, read_typed
from agent.upgrade_settings import UpgradeSettings

MARKER = re.compile(r"<<secret:([a-z_]+)>>")
INTERFACE = "<<host:interface>>"
"""Stands in a file's text for the name of an interface, which only the host knows."""


class Effect(str, enum.Enum):
    """What a changed file asks of a unit, weakest first."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"


@dataclass(frozen=True)
class File:
    """A text file, swapped into place by rename once its check has accepted it."""

    path: str
    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    check: tuple[str, ...] = ()
    """Command that must exit 0 on the staged file, whose path takes the place of `{staged}`; empty for none."""
    effect: Effect = Effect.NOTHING
    units: tuple[str, ...] = ()
    """Units that feel `effect` when content, owner or mode of this file changes."""
    felt: str = ""
    """The part of the content that `units` go by; "" for all of it. Where our own last text had the same part, the
    file is changed and they are told nothing; where the file was changed by others, they are told."""


@dataclass(frozen=True)
class HostSettings:
    """The machine itself: made ready once, before any component (role `host`)."""

    keep_packages: tuple[str, ...] = ()
    """Packages that stay on the host when it is removed, since they hold data."""
    snap_channel: str = ""
    """Channel of the snap `maas`, which is installed from there and held; "" for none (maas-facts §1.1)."""
    roles: tuple[str, ...] = ()
    """What the stack file wants of this machine: `region`, `rack`, and others that only need packages."""
    ubuntu: str = ""
    """Release that a controller must have if it is an Ubuntu (maas-facts §0); "" for any."""
    cluster: tuple[str, ...] = ()
    """Addresses of the stack's load balancer and database: a host that knows only others is another stack's."""
    database: tuple[str, ...] = ()
    """On a region's host: addresses of the stack's database hosts, of which one must stay; () where it is external."""
    maas_version: str = ""
    """Of a controller from packages, `MAJOR.MINOR`; "" where there is none."""


@dataclass(frozen=True)
class PostgresSettings:
    """Role and database of MAAS; the password is the secret `database_password` (maas-facts §7)."""

    version: int
    database: str
    role: str
    connections: int = 0
    """What the server's files let MAAS's role hold, and `ALTER SYSTEM` may have taken away."""

    @property
    def unit(self) -> str:
        """The server's, by Debian's name for it."""
        return server_unit(self.version)


def server_unit(version: int) -> str:
    """Debian's unit of a version's first server."""
    return f"postgresql@{version}-main.service"


@dataclass(frozen=True)
class RegionSettings:
    """A region controller. Secrets: `database_password`; on the leader `admin_password`, elsewhere `api_key`."""

    leader: bool
    """True on the one region that makes or migrates the schema and the administrator (maas-facts §1.1: no lock)."""
    workers: int
    database_host: str
    database_port: int
    database: str
    role: str
    admin_username: str
    admin_email: str
    api_urls: tuple[str, ...]
    """Where other regions are reached, first asked to forget this one when it is removed: the balanced address alone,
    so that a region that comes or goes is no change of the others."""
    packaging: str = "deb"
    """Key of `agent.packaging.PACKAGINGS`."""
    maas_version: str = "3.4"
    """`MAJOR.MINOR`."""
    tls_port: int = 0
    """Port of MAAS's own TLS; 0 for none. On the leader with the secret `tls_key` (maas-facts §8)."""
    tls_certificate: str = ""
    """PEM of the certificate that every region is to serve there."""
    address: str = ""
    """The host's own address, for which that certificate must hold."""
    ca_certificate: str = ""
    """PEM of the authority that API URLs with https are checked with."""
    external: bool = False
    """True if the operator brings the database: it is checked before anything is touched."""
    min_postgres: int = 14
    """Oldest major version of PostgreSQL that this MAAS supports."""
    connections: int = 0
    """What all regions need together; an external database must have it free."""
    balancers: tuple[str, ...] = ()
    """Addresses of the balancers' hosts, at each of which the region is drained before it is restarted."""
    view_port: int = 0
    """Where each of them shows its regions what it thinks of them."""


@dataclass(frozen=True)
class RackSettings:
    """A rack controller. Secrets: `shared_secret`, `api_key`."""

    api_urls: tuple[str, ...]
    """Where MAAS is asked for this rack, the balanced address first."""
    packaging: str = "deb"
    """Key of `agent.packaging.PACKAGINGS`."""
    maas_version: str = "3.4"
    """`MAJOR.MINOR`."""
    ca_certificate: str = ""
    """PEM of the authority that API URLs with https are checked with."""
    bmc_subnets: tuple[str, ...] = ()
    """CIDRs in which MAAS must see an address of this rack."""


@dataclass(frozen=True)
class HaproxySettings:
    """HAProxy: the ports that must answer once the file is in force."""

    ports: tuple[int, ...]
    stats_socket: str
    to_leader: bool = False
    """True beside a region, where the servers are the database's hosts and those that don't lead are down."""


@dataclass(frozen=True)
class DhcpSettings:
    """DHCP of one VLAN by two racks, applied on each of the two. Secret: `api_key` (maas-facts §5)."""

    api_urls: tuple[str, ...]
    subnet: str
    range_start: str
    range_end: str
    primary: str
    """system_id of the primary rack."""
    secondary: str
    """system_id of the secondary rack."""
    configures: bool
    """True on the primary, which makes the range and takes the VLAN; the secondary then joins it."""
    follows: str = ""
    """On the secondary: id of the primary's command. Where that is made anew, DHCP is off until this one has run."""
    enabled: bool = True
    """False turns DHCP off on the VLAN."""
    packaging: str = "deb"
    """Key of `agent.packaging.PACKAGINGS`: where MAAS's dhcpd keeps its files."""
    ca_certificate: str = ""
    """PEM of the authority that API URLs with https are checked with."""


@dataclass(frozen=True)
class IscDhcpSettings:
    """One side of a stand-alone ISC failover pair, whose dhcpd.conf is a file of the bundle."""

    peer: str
    """Name of the failover peer in dhcpd.conf."""
    address: str
    """This host's, by which its interface is found."""
    partner: str
    """Address of the other host."""
    waits: bool
    """True on the secondary, whose command ends only when both call the pair normal."""
    clock_url: str = ""
    """An address of MAAS, whose clock this host's is compared with; "" for none."""
    ca_certificate: str = ""
    """PEM of the authority that https is verified by."""


Settings = (
    HostSettings
    | PostgresSettings
    | RegionSettings
    | RackSettings
    | HaproxySettings
    | KeepalivedSettings
    | DhcpSettings
    | IscDhcpSettings
    | EtcdSettings
    | PatroniSettings
    | PostgresClusterSettings
    | UpgradeSettings
)

SETTINGS: dict[str, type[Settings]] = {
    "host": HostSettings,
    "postgres": PostgresSettings,
    "region": RegionSettings,
    "rack": RackSettings,
    "haproxy": HaproxySettings,
    "keepalived": KeepalivedSettings,
    "dhcp": DhcpSettings,
    "isc_dhcp": IscDhcpSettings,
    "etcd": EtcdSettings,
    "patroni": PatroniSettings,
    "postgres_cluster": PostgresClusterSettings,
    "upgrade": UpgradeSettings,
}


@dataclass(frozen=True)
class Bundle:
    """One component on one host, as it is to be."""

    host: str
    """Name of the host in the stack file, for messages."""
    component: str
    """Name of the component, unique on its host; the agent keeps its record under it."""
    settings: Settings
    packages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    units: tuple[str, ...] = ()
    """Units that are enabled and active afterwards, started in this order."""
    state_dirs: tuple[str, ...] = ()
    """Folders that packages fill with the controller's own state; gone after removal where they weren't there before.

    The bundle of role `host` lists those of all its components, for it alone sees the machine before the packages."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Values for the markers in files and for the role; never printed, and masked wherever they would appear."""

    @property
    def role(self) -> str:
        """Name of the agent's role that this bundle is for: a key of `SETTINGS`."""
        return next(role for role, kind in SETTINGS.items() if type(self.settings) is kind)

    def to_json(self) -> str:
        """The bundle as one line; equal bundles give equal text."""
        fields = dataclasses.asdict(self) | {"role": self.role}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Bundle:
        """Read what `to_json` wrote. Raises `BundleError` with the path of the field that is wrong."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise BundleError(f"the bundle is no JSON: {error.msg} at character {error.pos}") from None
        if not isinstance(raw, dict) or raw.get("role") not in list(SETTINGS):
            raise BundleError(f"the bundle's role is none of {', '.join(SETTINGS)}")
        role = raw.pop("role")
        settings = read_typed(SETTINGS[role], raw.pop("settings", None), "settings")
        bundle = typing.cast(Bundle, read_typed(cls, raw | {"settings": settings}, "bundle"))
        for file in bundle.files:
            fill_markers(file.content, bundle.secrets)
        return bundle


def secret_marker(name: str) -> str:
    """The text that stands for secret `name` in a file's content."""
    return f"<<secret:{name}>>"


def fill_markers(content: str, secrets: dict[str, str]) -> str:
    """`content` with every marker replaced. Raises `BundleError` for a marker that has no secret."""
    missing = sorted({name for name in MARKER.findall(content) if name not in secrets})
    if missing:
        raise BundleError(f"no value for the secret {', '.join(missing)}")
    return MARKER.sub(lambda match: secrets[match[1]], content)
