"""The database of all regions, whoever serves it: one PostgreSQL, a cluster of them, or the operator's."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from agent.bundle import File
from components import haproxy_frontend, leader_proxy, postgres_cluster, postgres_primary
from components.cluster_secrets import ClusterSecrets
from components.external_database import external_database
from components.host import Host
from components.leader_proxy import LeaderProxy, LeaderProxyArgs
from components.postgres_cluster import PostgresCluster
from components.postgres_cluster_files import Member, PostgresClusterArgs
from components.postgres_primary import Database, PostgresPrimary, PostgresPrimaryArgs
from config.load import Stack
from config.sizing import kept_for_superusers, max_connections
from config.topology import Database as WantedPrimary
from config.topology import DatabaseCluster, ExternalDatabase, Topology
from config.versions import VERSIONS


def packages(topology: Topology) -> tuple[str, ...]:
    """Packages of each host that PostgreSQL runs on."""
    given = topology.database
    if isinstance(given, DatabaseCluster):
        return postgres_cluster.packages(given.version)
    return postgres_primary.packages(given.version) if isinstance(given, WantedPrimary) else ()


def region_packages(topology: Topology) -> tuple[str, ...]:
    """Packages by which each region's host reaches it, beside MAAS's own."""
    return haproxy_frontend.PACKAGES if isinstance(topology.database, DatabaseCluster) else ()


def files(topology: Topology) -> tuple[File, ...]:
    """Files that have to be there before `packages` are."""
    return (postgres_cluster.NO_MAIN_CLUSTER,) if isinstance(topology.database, DatabaseCluster) else ()


def shared_database(
    stack: Stack, hosts: Mapping[str, Host], secrets: ClusterSecrets, below: pulumi.ResourceOptions
) -> Database:
    """What a region needs to reach it; which kind it is can't be told from there."""
    topology = stack.cluster.topology
    given = topology.database
    if isinstance(given, ExternalDatabase):
        return external_database(topology, given, stack.database_password)
    if isinstance(given, DatabaseCluster):
        return _cluster(topology, given, hosts, secrets, below)
    return _primary(topology, given, hosts, secrets, below)


def _primary(
    topology: Topology,
    given: WantedPrimary,
    hosts: Mapping[str, Host],
    secrets: ClusterSecrets,
    below: pulumi.ResourceOptions,
) -> Database:
    name, address = given.host, str(topology.hosts[given.host].address)
    return PostgresPrimary(
        f"{name}-postgres",
        PostgresPrimaryArgs(
            host=hosts[name],
            address=address,
            version=given.version,
            database=given.name,
            role=given.role,
            password=secrets.database_password,
            certificate=secrets.server_certificate("database", dns_names=[name], addresses=[address]),
            region_addresses=_region_addresses(topology),
            region_hosts=tuple(hosts[region] for region in topology.regions),
            tls_only=_tls_only(topology),
            max_connections=max_connections(topology),
            superuser_reserved_connections=kept_for_superusers(topology),
        ),
        below,
    ).database


def _cluster(
    topology: Topology,
    given: DatabaseCluster,
    hosts: Mapping[str, Host],
    secrets: ClusterSecrets,
    below: pulumi.ResourceOptions,
) -> Database:
    """The cluster, and beside each region the way to its leader."""
    cluster = PostgresCluster(
        "postgres-cluster",
        PostgresClusterArgs(
            members=tuple(_member(topology, name, hosts[name], secrets) for name in given.cluster),
            version=given.version,
            synchronous=given.synchronous,
            database=given.name,
            role=given.role,
            password=secrets.database_password,
            superuser_password=secrets.password("superuser-password"),
            replication_password=secrets.password("replication-password"),
            rewind_password=secrets.password("rewind-password"),
            ca_certificate=secrets.ca_certificate,
            region_addresses=_region_addresses(topology),
            region_hosts=tuple(hosts[region] for region in topology.regions),
            tls_only=_tls_only(topology),
            max_connections=max_connections(topology),
            superuser_reserved_connections=kept_for_superusers(topology),
        ),
        below,
    )
    members = tuple((name, str(topology.hosts[name].address)) for name in given.cluster)
    proxies = [
        LeaderProxy(
            f"{region}-database-proxy",
            LeaderProxyArgs(host=hosts[region], members=members, ca_certificate=secrets.ca_certificate),
            below,
        )
        for region in topology.regions
    ]
    ready = pulumi.Output.all(cluster.members, *(proxy.address for proxy in proxies))
    address = ready.apply(lambda _: leader_proxy.ADDRESS)
    return Database(address, leader_proxy.PORT, given.name, given.role, secrets.database_password)


def _member(topology: Topology, name: str, host: Host, secrets: ClusterSecrets) -> Member:
    machine = topology.hosts[name]
    addresses = [str(address) for address in machine.addresses]
    certificate = secrets.server_certificate(f"{name}-database", dns_names=[name], addresses=addresses, client=True)
    return Member(host=host, address=addresses[0], certificate=certificate)


def _region_addresses(topology: Topology) -> tuple[str, ...]:
    return tuple(str(topology.hosts[region].address) for region in topology.regions)


def _tls_only(topology: Topology) -> bool:
    """MAAS gives Temporal no TLS for PostgreSQL, and Temporal then refuses it (sslmode=disable)."""
    return not VERSIONS[topology.maas.version].temporal
