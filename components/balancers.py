"""Every load balancer of a cluster, one after the other, and the address that they share if they are several."""

from __future__ import annotations

import pulumi

from components import haproxy_frontend, virtual_address
from components.cluster_secrets import ClusterSecrets
from components.haproxy_frontend import HaproxyFrontend, HaproxyFrontendArgs
from components.host import Host
from components.virtual_address import Balancer, VirtualAddress, VirtualAddressArgs
from config.load_balancer import SharedLoadBalancer
from config.topology import Topology
from config.versions import VERSIONS


def packages(topology: Topology) -> tuple[str, ...]:
    """Packages of each balancer's host."""
    shared = isinstance(topology.load_balancer, SharedLoadBalancer)
    return (*haproxy_frontend.PACKAGES, *(virtual_address.PACKAGES if shared else ()))


def balancer(
    topology: Topology, hosts: dict[str, Host], secrets: ClusterSecrets, below: pulumi.ResourceOptions
) -> Balancer:
    """What clients reach MAAS by: the one HAProxy, or the shared address once every HAProxy is done."""
    wanted = topology.load_balancer
    if isinstance(wanted, SharedLoadBalancer):
        return _shared(topology, wanted, hosts, secrets.vrrp_password(), below)
    return _frontend(topology, wanted.host, hosts, _agreed(topology, hosts), below)


def _shared(
    topology: Topology,
    wanted: SharedLoadBalancer,
    hosts: dict[str, Host],
    password: pulumi.Output[str],
    below: pulumi.ResourceOptions,
) -> VirtualAddress:
    """Each host whole before the next: the last one's address waits for all."""
    network = wanted.virtual_address.network
    addresses = {name: str(topology.hosts[name].addresses_in(network)[0]) for name in wanted.hosts}
    done: list[VirtualAddress] = []
    for place, name in enumerate(wanted.hosts):
        after = (done[-1],) if done else _agreed(topology, hosts)
        frontend = _frontend(topology, name, hosts, after, below)
        part = VirtualAddress(
            f"{name}-keepalived",
            VirtualAddressArgs(
                host=hosts[name],
                address=addresses[name],
                peers=tuple(address for peer, address in addresses.items() if peer != name),
                place=place,
                last=name == wanted.hosts[-1],
                virtual_address=str(wanted.virtual_address),
                router_id=wanted.virtual_router_id,
                password=password,
                tls=topology.maas.tls is not None,
                frontend=frontend,
            ),
            below,
        )
        done.append(part)
    return done[-1]


def _agreed(topology: Topology, hosts: dict[str, Host]) -> tuple[pulumi.Resource, ...]:
    return tuple(hosts[region].ready for region in topology.regions)


def _frontend(
    topology: Topology,
    name: str,
    hosts: dict[str, Host],
    after: tuple[pulumi.Resource, ...],
    below: pulumi.ResourceOptions,
) -> HaproxyFrontend:
    return HaproxyFrontend(
        f"{name}-haproxy",
        HaproxyFrontendArgs(
            host=hosts[name],
            address=str(topology.hosts[name].address),
            regions=tuple((region, str(topology.hosts[region].address)) for region in topology.regions),
            ports=VERSIONS[topology.maas.version].balanced_ports,
            tls_port=topology.maas.tls_port,
            after=after,
        ),
        below,
    )
