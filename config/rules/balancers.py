"""Load balancers that share an address: in its network, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

from config.finding import Finding
from config.load_balancer import SharedLoadBalancer
from config.rules.dhcp import in_range
from config.topology import Topology

PATH = "load_balancer.virtual_address"


def balancers_are_named_once(topology: Topology) -> Iterator[Finding]:
    """A host has one HAProxy."""
    named = topology.load_balancer.named
    for index, (path, name) in enumerate(named.items()):
        if name in list(named.values())[:index]:
            yield Finding(path, f"{name!r} is named twice", "take one out")


def balancers_are_in_the_network(topology: Topology) -> Iterator[Finding]:
    """The shared address is announced on the interface with the host's own address of that network."""
    balancer = topology.load_balancer
    if not isinstance(balancer, SharedLoadBalancer):
        return
    network = balancer.virtual_address.network
    for path, name in balancer.named.items():
        host = topology.hosts.get(name)
        if host is not None and not host.addresses_in(network):
            problem = f"{name} has no address in {network}, the network of {PATH}"
            yield Finding(path, problem, f"name it under hosts.{name}.also if it has one, or use another host")


def virtual_address_is_free(topology: Topology) -> Iterator[Finding]:
    """The shared address is of no host and no DHCP client, and one that a host can have."""
    balancer = topology.load_balancer
    if not isinstance(balancer, SharedLoadBalancer):
        return
    address, network = balancer.virtual_address.ip, balancer.virtual_address.network
    if network.prefixlen < 31 and address in (network[0], network[-1]):
        yield Finding(PATH, f"{address} is the first or the last of {network}", "choose one between them")
    for name, host in topology.hosts.items():
        if address in host.addresses:
            yield Finding(PATH, f"{address} is the address of {name}", "choose one that no host has")
    for index, pair in enumerate(topology.dhcp):
        if in_range(pair, address):
            problem = f"{address} is in dhcp[{index}].range, so that a client could be given it"
            yield Finding(PATH, problem, "choose one outside, or leave it out of the range")


def a_shared_address_has_two_hosts(topology: Topology) -> Iterator[Finding]:
    """Advice: with one host, as after a second one has died, the address is kept but nothing takes it over."""
    balancer = topology.load_balancer
    if isinstance(balancer, SharedLoadBalancer) and len(balancer.hosts) < 2:
        problem = f"nothing takes {balancer.virtual_address.ip} over when {balancer.hosts[0]} fails"
        yield Finding("load_balancer.hosts", problem, "name a second host")
