"""Addresses that machines can be reached by, in one family, and ports that nothing else wants."""

from __future__ import annotations

from collections.abc import Iterator

from config.finding import Finding
from config.load_balancer import LOCAL_PORT
from config.ports import DRAIN_PORT, VIEW_PORT
from config.topology import DatabaseCluster, ExternalDatabase, Topology
from config.versions import VERSIONS

POSTGRES, RACK_HTTP = 5432, 5248
ETCD, PATRONI = range(2379, 2381), 8008
"""On each host of a database cluster (agent/cluster_settings.py)."""
LEADER_PROXY = 15432
"""On each region's host, where the database is a cluster (components/leader_proxy.py)."""


def addresses_can_be_reached(topology: Topology) -> Iterator[Finding]:
    """A host is known to others by its address, so that isn't one that means something else to each of them."""
    for name, host in topology.hosts.items():
        for index, address in enumerate(host.addresses):
            mapped = address.version == 6 and address.ipv4_mapped
            if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified or mapped:
                path = f"hosts.{name}.{f'also[{index - 1}]' if index else 'address'}"
                problem = "is loopback, link-local, multicast, unspecified or an IPv4 address inside an IPv6 one"
                yield Finding(path, problem, "write the address by which the other hosts reach it")


def regions_and_database_speak_one_family(topology: Topology) -> Iterator[Finding]:
    """pg_hba lets each region in by `address` alone, and it comes from there only to a server of the same family."""
    database = topology.database
    if isinstance(database, ExternalDatabase):
        return  # the operator's own lets in whom they want
    servers = {topology.hosts[name].address.version for name in topology.database_hosts if name in topology.hosts}
    said = " and ".join(f"IPv{version}" for version in sorted(servers))
    for name in topology.regions:
        host = topology.hosts.get(name)
        if host and servers - {host.address.version}:
            problem = f"is IPv{host.address.version} and the database {said}: pg_hba couldn't let it in"
            yield Finding(f"hosts.{name}.address", problem, "use one family for the database and all regions")


def everyone_reaches_the_regions(topology: Topology) -> Iterator[Finding]:
    """Balancers and every rack have an address of each family that regions and the balanced address are of."""
    balancers = topology.load_balancer.named.values()
    serving = [topology.hosts[name] for name in topology.regions if name in topology.hosts]
    wanted = {host.address.version for host in serving}
    if all(name in topology.hosts for name in balancers):
        wanted |= {topology.client_address.version}
    for name in dict.fromkeys((*balancers, *topology.racks)):
        host = topology.hosts.get(name)
        missing = wanted - {address.version for address in host.addresses} if host else set()
        for version in sorted(missing):
            problem = f"has no IPv{version} address, by which regions or the balancer are reached"
            yield Finding(f"hosts.{name}", problem, "name one under `also`, or use one family for all")


def region_ports(topology: Topology) -> tuple[range, ...]:
    """Ports of a region's host that are taken whatever TLS there is."""
    is_cluster = isinstance(topology.database, DatabaseCluster)
    proxy = (range(LEADER_PROXY, LEADER_PROXY + 1),) if is_cluster else ()
    return (range(DRAIN_PORT, DRAIN_PORT + 1), *VERSIONS[topology.maas.version].region_ports, *proxy)


def ssh_has_a_free_port(topology: Topology) -> Iterator[Finding]:
    """sshd listens where no service of the host's roles does."""
    facts, tls = VERSIONS[topology.maas.version], topology.maas.tls
    balancer = (LOCAL_PORT, VIEW_PORT, *(port for port, _ in facts.balanced_ports))
    own_tls = (range(tls.port, tls.port + 1),) if tls else ()
    of_cluster = (ETCD, range(PATRONI, PATRONI + 1)) if isinstance(topology.database, DatabaseCluster) else ()
    taken = {
        "database": (range(POSTGRES, POSTGRES + 1), *of_cluster),
        "load balancer": (
            *(range(port, port + 1) for port in balancer),
            *own_tls,
            *((range(443, 444),) if tls else ()),
        ),
        "region": (*region_ports(topology), *own_tls),
        "rack": (range(RACK_HTTP, RACK_HTTP + 1),),
    }
    for name, roles in topology.roles.items():
        host = topology.hosts.get(name)
        port = (host.port if host else None) or topology.ssh.port
        role = next((role for role in roles if any(port in ports for ports in taken.get(role, ()))), None)
        if host and role:
            path = f"hosts.{name}.port" if host.port else "ssh.port"
            yield Finding(path, f"{port} is a port that the {role} {name} itself wants", "let sshd listen elsewhere")
