"""DHCP: who serves which subnet, and from which addresses."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import pairwise

from config.finding import Finding
from config.topology import AnyDhcpPair, DhcpPair, IscDhcpPair, Topology

MEMBERS = ("primary", "secondary")
LAST = "{"
"""Sorts behind every host name."""


def dhcp_is_by_two_hosts(topology: Topology) -> Iterator[Finding]:
    """A failover pair has two different members: racks where MAAS runs it, other hosts where it stands alone."""
    for index, pair in enumerate(topology.dhcp):
        for member in MEMBERS:
            name = getattr(pair, member)
            if isinstance(pair, DhcpPair) and name not in topology.racks:
                remedy = f"name one of {', '.join(topology.racks)}"
                yield Finding(f"dhcp[{index}].{member}", f"{name!r} is no rack", remedy)
            if isinstance(pair, IscDhcpPair) and name not in topology.hosts:
                remedy = f"name one of {', '.join(topology.hosts)}"
                yield Finding(f"dhcp[{index}].{member}", f"there is no host {name!r}", remedy)
        if pair.primary == pair.secondary:
            kind = "rack" if isinstance(pair, DhcpPair) else "host"
            problem = f"primary and secondary are the same {kind}, so nothing would take over"
            yield Finding(f"dhcp[{index}].secondary", problem, f"name another {kind}")


def dhcp_members_are_in_the_subnet(topology: Topology) -> Iterator[Finding]:
    """MAAS offers a VLAN only to racks that have an address in it (maas-facts §5); dhcpd, too, serves from one."""
    for index, pair in enumerate(topology.dhcp):
        for member in MEMBERS:
            host = topology.hosts.get(getattr(pair, member))
            if host is not None and not host.addresses_in(pair.subnet):
                problem = f"{' or '.join(map(str, host.addresses))} is not in {pair.subnet}"
                kind = "rack" if isinstance(pair, DhcpPair) else "host"
                yield Finding(f"dhcp[{index}].{member}", problem, f"name a {kind} with an address in the subnet")


def dhcp_ranges_fit(topology: Topology) -> Iterator[Finding]:
    """A dynamic range lies inside its subnet, the right way round, and holds no host's address."""
    taken = sorted((address, name) for name in topology.hosts for address in _of(topology, name))
    for index, pair in enumerate(topology.dhcp):
        start, end, path = pair.range.start, pair.range.end, f"dhcp[{index}].range"
        if start > end:
            yield Finding(path, f"{start} comes after {end}", "swap the two")
            continue
        if start not in pair.subnet or end not in pair.subnet:
            yield Finding(path, f"{start} to {end} is not inside {pair.subnet}", "choose addresses of the subnet")
        elif pair.subnet.prefixlen < 31 and {start, end} & {pair.subnet[0], pair.subnet[-1]}:
            problem = f"holds {pair.subnet[0]} or {pair.subnet[-1]}, which no machine can have"
            yield Finding(path, problem, "leave the first and the last address of the subnet out")
        inside = taken[bisect_left(taken, (start, "")) : bisect_right(taken, (end, LAST))]
        for address, name in inside:
            yield Finding(path, f"holds {address}, the address of {name}", "leave it out of the range")


def dhcp_subnets_differ(topology: Topology) -> Iterator[Finding]:
    """A subnet is served by one pair, whatever its mode."""
    by_place = sorted(enumerate(topology.dhcp), key=lambda item: item[1].subnet)
    for (_, before), (index, after) in pairwise(by_place):
        if before.subnet.overlaps(after.subnet):
            problem = f"{after.subnet} overlaps {before.subnet}"
            yield Finding(f"dhcp[{index}].subnet", problem, "name each subnet once")


def isc_hosts_serve_one_pair(topology: Topology) -> Iterator[Finding]:
    """A host has one dhcpd.conf, and MAAS's racks have a dhcpd of their own."""
    taken: dict[str, int] = {}
    for index, pair in _isc_pairs(topology):
        for member in MEMBERS:
            name, path = str(getattr(pair, member)), f"dhcp[{index}].{member}"
            if name in topology.racks:
                problem = f"{name} is a rack, whose own dhcpd wants the same port"
                yield Finding(path, problem, "leave out `mode: isc`, or name a host that is no rack")
            if taken.setdefault(name, index) != index:
                problem = f"{name} is in dhcp[{taken[name]}] already, and a host has one dhcpd.conf"
                yield Finding(path, problem, "use another host")


def isc_options_are_plausible(topology: Topology) -> Iterator[Finding]:
    """Machines can reach their routers, and no client is given the address of something that they need."""
    for index, pair in _isc_pairs(topology):
        for place, router in enumerate(pair.routers):
            path = f"dhcp[{index}].routers[{place}]"
            if router not in pair.subnet:
                yield Finding(path, f"{router} is not in {pair.subnet}", "name an address of the subnet")
        for path, address in _needed(index, pair):
            if in_range(pair, address):
                yield Finding(path, f"{address} is in the dynamic range", "leave it out of the range")
        racks = {address: name for name in topology.racks if name in topology.hosts for address in _of(topology, name)}
        if pair.next_server is not None and pair.next_server not in racks:
            problem = f"{pair.next_server} is no rack's address, so no machine could boot from it"
            yield Finding(f"dhcp[{index}].next_server", problem, f"name one of {', '.join(map(str, racks))}")


def _isc_pairs(topology: Topology) -> list[tuple[int, IscDhcpPair]]:
    return [(index, pair) for index, pair in enumerate(topology.dhcp) if isinstance(pair, IscDhcpPair)]


def _needed(index: int, pair: IscDhcpPair) -> Iterator[tuple[str, IPv4Address]]:
    for place, address in enumerate(pair.routers):
        yield f"dhcp[{index}].routers[{place}]", address
    for place, address in enumerate(pair.dns_servers):
        yield f"dhcp[{index}].dns_servers[{place}]", address


def _of(topology: Topology, name: str) -> list[IPv4Address]:
    return [address for address in topology.hosts[name].addresses if isinstance(address, IPv4Address)]


def in_range(pair: AnyDhcpPair, address: object) -> bool:
    """True if the pair may give `address` to a client."""
    return isinstance(address, IPv4Address) and pair.range.start <= address <= pair.range.end
