"""A whole cluster: each component once for each host that the topology gives it, in the order that MAAS needs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi

from agent import hold
from agent.bundle import File
from agent.packaging import DEB, PACKAGINGS
from components import balancers, isc_dhcp_pair, rack_controller, shared_database
from components.cluster_secrets import ClusterSecrets
from components.dhcp_failover_pair import DhcpFailoverPair, DhcpFailoverPairArgs
from components.host import Host, HostArgs
from components.isc_dhcp_pair import IscDhcpPair, IscDhcpPairArgs, Member
from components.maas_tls import MaasTls, maas_tls
from components.postgres_primary import Database
from components.rack_controller import RackController, RackControllerArgs
from components.region_controller import Api, RegionController, RegionControllerArgs
from components.upgrades import Upgrades
from components.virtual_address import Balancer
from config.load import Stack
from config.stack_file import Cluster
from config.topology import AptRepository, DhcpPair, ExternalDatabase, Topology
from config.topology import IscDhcpPair as WantedIscDhcpPair
from config.urls import balanced_url, region_urls
from config.versions import VERSIONS


@dataclass(frozen=True)
class Built:
    """What a built cluster offers to the stack's outputs."""

    secrets: ClusterSecrets
    database: Database
    load_balancer: Balancer
    regions: dict[str, RegionController]
    racks: dict[str, RackController]
    dhcp: dict[str, DhcpFailoverPair]

    @property
    def leader(self) -> RegionController:
        """The region that holds the schema and the administrator."""
        return next(iter(self.regions.values()))


def build(stack: Stack, secrets: ClusterSecrets, parent: pulumi.Resource | None = None) -> Built:
    """Every component of the cluster, below `parent`, beside its `secrets`."""
    cluster, topology = stack.cluster, stack.cluster.topology
    below = pulumi.ResourceOptions(parent=parent)
    hosts = {host: _host(host, cluster, below) for host in topology.hosts}
    database = shared_database.shared_database(stack, hosts, secrets, below)
    load_balancer = balancers.balancer(topology, hosts, secrets, below)
    upgrades = Upgrades(topology, hosts, database, load_balancer)
    regions = _regions(topology, hosts, secrets, database, load_balancer, upgrades.held, below)
    api = _api(topology, regions, secrets)
    racks = _racks(topology, hosts, api, next(iter(regions.values())).shared_secret, below)
    _isc_dhcp(topology, hosts, api, below)
    return Built(secrets, database, load_balancer, regions, racks, _dhcp(topology, racks, api, below))


def _host(name: str, cluster: Cluster, below: pulumi.ResourceOptions) -> Host:
    topology = cluster.topology
    host = topology.hosts[name]
    roles = topology.roles[name]
    database = shared_database.packages(topology)
    packaging = PACKAGINGS[topology.maas.packaging]
    by_role = {
        "database": database,
        "load balancer": balancers.packages(topology),
        "region": (*packaging.region_packages, *shared_database.region_packages(topology)),
        "rack": packaging.rack_packages,
        "DHCP": isc_dhcp_pair.PACKAGES,
    }
    files = [rack_controller.STARTS_ONLY_WITH_SECRET] if "rack" in roles and packaging == DEB else []
    if "region" in roles and packaging == DEB:
        files += hold.guards(topology.maas.version)
    if "database" in roles:
        files += shared_database.files(topology)
    if topology.maas.repository:
        files.append(_apt_source(topology.maas.repository))
    return Host(
        name,
        HostArgs(
            address=str(host.address),
            port=host.port or topology.ssh.port,
            user=topology.ssh.user,
            host_key=cluster.host_keys[name],
            packages=tuple(sorted({package for role in roles for package in by_role[role]})),
            keep_packages=database if "database" in roles else (),
            files=tuple(files),
            roles=tuple(roles),
            ubuntu=VERSIONS[topology.maas.version].ubuntu if packaging == DEB else "",
            cluster=(str(topology.client_address), *_database_addresses(topology)),
            database=tuple(_address(topology, at) for at in topology.database_hosts) if "region" in roles else (),
            snap_channel=_snap_channel(topology) if {"region", "rack"} & set(roles) else "",
            maas_version=topology.maas.version if {"region", "rack"} & set(roles) and packaging == DEB else "",
        ),
        below,
    )


def _snap_channel(topology: Topology) -> str:
    """Where the snap comes from; "" where MAAS comes from packages."""
    maas = topology.maas
    return (maas.channel or f"{maas.version}/stable") if maas.packaging == "snap" else ""


def _apt_source(repository: AptRepository) -> File:
    """The MAAS packages' source in deb822 form; the key's lines are indented and its empty lines dotted."""
    key = "\n".join(f" {line}" if line.strip() else " ." for line in repository.signed_by.strip().splitlines())
    components = "" if repository.is_flat else f"Components: {repository.components}\n"  # apt refuses them there
    content = f"Types: deb\nURIs: {repository.uris}\nSuites: {repository.suites}\n{components}Signed-By:\n{key}\n"
    return File("/etc/apt/sources.list.d/maas-ha.sources", content)


def _regions(
    topology: Topology,
    hosts: dict[str, Host],
    secrets: ClusterSecrets,
    database: Database,
    load_balancer: Balancer,
    ready: tuple[pulumi.Resource, ...],
    below: pulumi.ResourceOptions,
) -> dict[str, RegionController]:
    """The leader once all is `ready`, then each region after the one before it, so that a change rolls through them."""
    tls = _tls(topology, secrets)
    regions: dict[str, RegionController] = {}
    for name, region in topology.regions.items():
        before = list(regions.values())
        regions[name] = RegionController(
            f"{name}-region",
            RegionControllerArgs(
                host=hosts[name],
                address=_address(topology, name),
                facts=VERSIONS[topology.maas.version],
                maas_version=topology.maas.version,
                packaging=PACKAGINGS[topology.maas.packaging],
                workers=region.workers,
                load_balancer=load_balancer,
                balancers=tuple(_address(topology, host) for host in topology.load_balancer.named.values()),
                database=database,
                admin_username=topology.maas.admin.username,
                admin_email=topology.maas.admin.email,
                admin_password=secrets.admin_password,
                leader=before[0] if before else None,
                after=(before[-1],) if before else ready,
                tls=tls,
                ca_certificate=secrets.ca_certificate,
            ),
            below,
        )
    return regions


def _api(topology: Topology, regions: dict[str, RegionController], secrets: ClusterSecrets) -> Api:
    return Api(
        serves=next(reversed(regions.values())).serves,
        urls=_urls(topology, topology.maas.tls_port),
        maas_urls=_urls(topology),
        key=next(iter(regions.values())).api_key,
        ca_certificate=secrets.ca_certificate,
    )


def _urls(topology: Topology, tls_port: int = 0) -> tuple[str, ...]:
    """The balanced address first, then each region's own (maas-facts §4.8, §8)."""
    balanced = balanced_url(str(topology.client_address), tls=bool(tls_port))
    return (balanced, *region_urls(topology, tls_port))


def _tls(topology: Topology, secrets: ClusterSecrets) -> MaasTls | None:
    if topology.maas.tls is None:
        return None
    names = dict.fromkeys((*topology.load_balancer.named.values(), *topology.regions))
    servers = [(name, topology.hosts[name]) for name in names]
    return maas_tls(topology.maas.tls, secrets, servers, client_address=str(topology.client_address))


def _racks(
    topology: Topology,
    hosts: dict[str, Host],
    api: Api,
    shared_secret: pulumi.Output[str],
    below: pulumi.ResourceOptions,
) -> dict[str, RackController]:
    """All racks side by side, but never both of a DHCP pair at once."""
    pairs = [(pair.primary, pair.secondary) for pair in topology.dhcp if isinstance(pair, DhcpPair)]
    secondaries = {secondary for _, secondary in pairs}
    racks: dict[str, RackController] = {}
    for name in sorted(topology.racks, key=lambda rack: rack in secondaries):
        partners = {member for pair in pairs if name in pair for member in pair}
        racks[name] = RackController(
            f"{name}-rack",
            RackControllerArgs(
                host=hosts[name],
                api=api,
                shared_secret=shared_secret,
                after=tuple(rack for partner, rack in racks.items() if partner in partners),
                packaging=topology.maas.packaging,
                maas_version=topology.maas.version,
                bmc_subnets=tuple(str(bmc.subnet) for bmc in topology.bmc if name in bmc.racks),
            ),
            below,
        )
    return racks


def _dhcp(
    topology: Topology, racks: dict[str, RackController], api: Api, below: pulumi.ResourceOptions
) -> dict[str, DhcpFailoverPair]:
    pairs: dict[str, DhcpFailoverPair] = {}
    for pair in topology.dhcp:
        if not isinstance(pair, DhcpPair):
            continue
        subnet = str(pair.subnet)
        pairs[subnet] = DhcpFailoverPair(
            f"dhcp-{subnet.replace('/', '-')}",
            DhcpFailoverPairArgs(
                subnet=subnet,
                range_start=str(pair.range.start),
                range_end=str(pair.range.end),
                enabled=pair.enabled,
                packaging=topology.maas.packaging,
                primary=racks[pair.primary],
                secondary=racks[pair.secondary],
                api=api,
            ),
            below,
        )
    return pairs


def _isc_dhcp(topology: Topology, hosts: dict[str, Host], api: Api, below: pulumi.ResourceOptions) -> None:
    for pair in topology.dhcp:
        if not isinstance(pair, WantedIscDhcpPair):
            continue
        IscDhcpPair(
            pair.peer,
            IscDhcpPairArgs(
                subnet=str(pair.subnet),
                range_start=str(pair.range.start),
                range_end=str(pair.range.end),
                routers=tuple(map(str, pair.routers)),
                dns_servers=tuple(map(str, pair.dns_servers)),
                next_server=str(pair.next_server or ""),
                primary=_member(topology, hosts, pair.primary, pair.subnet),
                secondary=_member(topology, hosts, pair.secondary, pair.subnet),
                api=api,
            ),
            below,
        )


def _member(topology: Topology, hosts: dict[str, Host], name: str, subnet: IPv4Network) -> Member:
    address = topology.hosts[name].addresses_in(subnet)[0]
    return Member(host=hosts[name], address=str(address))


def _database_addresses(topology: Topology) -> list[str]:
    database = topology.database
    if isinstance(database, ExternalDatabase):
        return [str(database.external)]
    return [_address(topology, name) for name in topology.database_hosts]


def _address(topology: Topology, host: str) -> str:
    return str(topology.hosts[host].address)
