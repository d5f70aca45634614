"""The stack file as types: everything under `maas-ha:cluster` in `Pulumi.<stack>.yaml`.

These models know what a single value may be; what several values mean together is checked in `config/rules/`.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from config.forms import AptUrls, Channel, DnsName, Email, HostName, PublicKey, SqlName, UserName, Words
from config.load_balancer import AnyLoadBalancer, SharedLoadBalancer
from config.model import Address, IPv4Address, IPv4Network, IPv6Network, Model

Port = Annotated[int, Field(strict=True, ge=1, le=65535)]

MaasVersion = Literal["3.4", "3.5", "3.6", "3.7"]


class Login(Model):
    """How the program reaches the hosts. Keys come from the operator's SSH agent, never from the stack file."""

    user: UserName = Field(description="Login that may use sudo without a password")
    port: Port = 22


class Host(Model):
    """One machine."""

    address: Address
    also: tuple[Address, ...] = Field(
        (), description="Its other addresses: of networks where it serves DHCP or reaches BMCs"
    )
    port: Port | None = Field(None, description="SSH port, where it differs from ssh.port")

    @property
    def addresses(self) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
        """All of its addresses, that of SSH first."""
        return (self.address, *self.also)

    def addresses_in(
        self, network: ipaddress.IPv4Network | ipaddress.IPv6Network
    ) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
        """Those of them that are in `network`."""
        return tuple(address for address in self.addresses if address in network)


class Administrator(Model):
    """The account that the program makes in MAAS; its password is generated."""

    username: UserName = "admin"
    email: Email


class AptRepository(Model):
    """Where the MAAS packages come from, unless the hosts' own sources already have them."""

    uris: AptUrls
    suites: Words
    components: Words = "main"
    signed_by: PublicKey = Field(description="The repository's public key, ASCII-armoured")

    @property
    def is_flat(self) -> bool:
        """Whether its suites are folders with the packages in them, which have no components (sources.list(5))."""
        return all(suite.endswith("/") for suite in self.suites.split())


class Tls(Model):
    """TLS by MAAS (maas-facts §8); every region's name and address and the balanced address are in the certificate."""

    port: Port = 5443
    names: tuple[DnsName, ...] = Field((), description="Further DNS names that operators use")
    valid_days: int = Field(365, strict=True, ge=2, le=825, description="How long a certificate holds")
    renew_days: int = Field(30, strict=True, ge=1, description="So long before its end an update replaces it")


class Maas(Model):
    """The MAAS that is to run."""

    version: MaasVersion
    packaging: Literal["deb", "snap"] = "deb"
    admin: Administrator
    repository: AptRepository | None = Field(None, description="For packaging: deb")
    channel: Channel | None = Field(None, description="For packaging: snap, where it isn't VERSION/stable")
    tls: Tls | None = Field(None, description="MAAS itself speaks TLS, with certificates of the cluster's authority")

    @property
    def tls_port(self) -> int:
        """0 for http alone."""
        return self.tls.port if self.tls else 0


class Database(Model):
    """The PostgreSQL that all regions share, on a host of this stack."""

    host: HostName
    version: Literal[14, 15, 16, 17] = Field(description="Major version, as the host's distribution has it")
    name: SqlName = "maasdb"
    role: SqlName = "maas"
    accept_unsupported: bool = Field(
        False, description="Run a PostgreSQL that MAAS starts on but whose documentation doesn't support"
    )


class ExternalDatabase(Model):
    """A PostgreSQL that the operator brings; the role's password is the secret configuration key `databasePassword`."""

    external: Address = Field(description="Address that leads to the server that takes writes")
    port: Port = 5432
    name: SqlName = "maasdb"
    role: SqlName = "maas"
    accept_unsupported: bool = Field(
        False, description="Run a PostgreSQL that MAAS starts on but whose documentation doesn't support"
    )


class DatabaseCluster(Model):
    """The PostgreSQL that all regions share, on three hosts of this stack or more, of which any may die (Patroni)."""

    cluster: tuple[HostName, ...] = Field(
        description="An odd number of hosts: more than half of them must be up. The first makes the database, or has it"
        " already as database.host; the others copy it"
    )
    version: Literal[14, 15, 16, 17] = Field(description="Major version, as the hosts' distribution has it")
    synchronous: bool = Field(
        True,
        description="true: a write is acknowledged once a second host has it, and no host without it takes over:"
        " nothing acknowledged is lost. false: writes wait for nobody, and the last may be lost with the leader",
    )
    name: SqlName = "maasdb"
    role: SqlName = "maas"
    accept_unsupported: bool = Field(
        False, description="Run a PostgreSQL that MAAS starts on but whose documentation doesn't support"
    )


def _database_kind(value: object) -> str:
    """Which one a stack file means: the one whose key it names."""
    if isinstance(value, dict):
        return next((kind for kind in ("external", "cluster") if kind in value), "host")
    if isinstance(value, ExternalDatabase):
        return "external"
    return "cluster" if isinstance(value, DatabaseCluster) else "host"


AnyDatabase = Annotated[
    Annotated[Database, Tag("host")]
    | Annotated[ExternalDatabase, Tag("external")]
    | Annotated[DatabaseCluster, Tag("cluster")],
    Discriminator(_database_kind),
]


WORKER_PORTS = range(5250, 5260)
"""Where racks reach a region's workers, one port each."""


def _has_ports(workers: int) -> int:
    """The message says why, which pydantic's own bounds would not."""
    if not 1 <= workers <= len(WORKER_PORTS):
        problem = "a region has 1 to 10 workers: racks reach each by a port of its own of 5250-5259 (maas-facts §2)"
        remedy = "one a CPU and at most 8 is what MAAS's documentation advises"
        raise PydanticCustomError("workers", "{problem}", {"problem": problem, "remedy": remedy})
    return workers


Workers = Annotated[
    int,
    Field(
        strict=True,
        description="regiond processes; each needs one port of 5250-5259",
        json_schema_extra={"maximum": len(WORKER_PORTS), "minimum": 1},
    ),
    AfterValidator(_has_ports),
]


class Region(Model):
    """A region controller, under its host's name."""

    workers: Workers = 4


class AddressRange(Model):
    """First and last address, both included."""

    start: IPv4Address
    end: IPv4Address


class DhcpPair(Model):
    """DHCP for the VLAN of one subnet, by two racks that MAAS configures."""

    mode: Literal["maas"] = "maas"
    subnet: IPv4Network
    range: AddressRange
    primary: HostName
    secondary: HostName
    enabled: bool = Field(True, description="false turns DHCP off and leaves the range")


class IscDhcpPair(Model):
    """DHCP for one subnet by a stand-alone ISC failover pair, on two hosts that are no racks."""

    mode: Literal["isc"]
    subnet: IPv4Network
    range: AddressRange
    primary: HostName
    secondary: HostName
    routers: tuple[IPv4Address, ...] = ()
    dns_servers: tuple[IPv4Address, ...] = ()
    next_server: IPv4Address | None = Field(None, description="Where machines boot from: a rack's address")

    @property
    def peer(self) -> str:
        """Name of its failover peer, and of its component."""
        return f"isc-dhcp-{str(self.subnet).replace('/', '-')}"


def _dhcp_kind(value: object) -> str:
    """The mode; `maas` where the stack file names none."""
    return str(value.get("mode", "maas") if isinstance(value, dict) else getattr(value, "mode", "maas"))


AnyDhcpPair = Annotated[
    Annotated[DhcpPair, Tag("maas")] | Annotated[IscDhcpPair, Tag("isc")], Discriminator(_dhcp_kind)
]


class BmcSubnet(Model):
    """A network of BMCs: power goes on when a rack dies if two racks have an address in it (maas-facts §12.8)."""

    subnet: IPv4Network | IPv6Network
    racks: tuple[HostName, ...] = Field(description="Racks that reach it, each by an address in it")


class Topology(Model):
    """A whole cluster."""

    maas: Maas
    ssh: Login
    hosts: dict[HostName, Host] = Field(min_length=1)
    database: AnyDatabase
    regions: dict[HostName, Region] = Field(min_length=1)
    racks: tuple[HostName, ...] = Field(min_length=1)
    load_balancer: AnyLoadBalancer
    dhcp: tuple[AnyDhcpPair, ...] = ()
    bmc: tuple[BmcSubnet, ...] = ()

    @property
    def client_address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address that clients use, racks and regions among them: the balancers' shared one, or the one's own."""
        balancer = self.load_balancer
        if isinstance(balancer, SharedLoadBalancer):
            return balancer.virtual_address.ip
        return self.hosts[balancer.host].address

    @property
    def database_hosts(self) -> tuple[HostName, ...]:
        """Hosts of this stack that PostgreSQL runs on; none where the operator brings it."""
        if isinstance(self.database, DatabaseCluster):
            return self.database.cluster
        return (self.database.host,) if isinstance(self.database, Database) else ()

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """What each host is for, in the order in which it comes up: host name → role names."""
        named: dict[str, list[str]] = {name: [] for name in self.hosts}
        pairs = [pair for pair in self.dhcp if isinstance(pair, IscDhcpPair)]
        members = dict.fromkeys(name for pair in pairs for name in (pair.primary, pair.secondary))
        users = [("database", list(self.database_hosts)), ("load balancer", list(self.load_balancer.named.values()))]
        users += [("region", list(self.regions)), ("rack", list(self.racks)), ("DHCP", list(members))]
        for role, names in users:
            for name in names:
                named.setdefault(name, []).append(role)
        return {name: tuple(roles) for name, roles in named.items()}


class Ssh(Login):
    """How the program reaches the hosts. Keys come from the operator's SSH agent, never from the stack file."""

    known_hosts: Path = Field(description="known_hosts file with the key of every host, relative to the project")


class StackFile(Topology):
    """A whole cluster."""

    ssh: Ssh
