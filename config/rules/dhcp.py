"""DHCP: who serves which subnet, and from which addresses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from config.finding import Finding
from config.topology import Topology


def dhcp_is_by_two_racks(topology: Topology) -> Iterator[Finding]:
    """A failover pair has two different members, and both are racks of this cluster."""
    for index, pair in enumerate(topology.dhcp):
        for member in ("primary", "secondary"):
            name = getattr(pair, member)
            if name not in topology.racks:
                remedy = f"name one of {', '.join(topology.racks)}"
                yield Finding(f"dhcp[{index}].{member}", f"{name!r} is no rack", remedy)
        if pair.primary == pair.secondary:
            problem = "primary and secondary are the same rack, so nothing would take over"
            yield Finding(f"dhcp[{index}].secondary", problem, "name another rack")


def dhcp_racks_are_in_the_subnet(topology: Topology) -> Iterator[Finding]:
    """MAAS offers a VLAN only to racks that have an address in it (maas-facts §5, vlan update)."""
    for index, pair in enumerate(topology.dhcp):
        for member in ("primary", "secondary"):
            host = topology.hosts.get(getattr(pair, member))
            if host is not None and not any(address in pair.subnet for address in host.addresses):
                problem = f"{' or '.join(map(str, host.addresses))} is not in {pair.subnet}"
                yield Finding(f"dhcp[{index}].{member}", problem, "name a rack with an address in the subnet")


def dhcp_ranges_fit(topology: Topology) -> Iterator[Finding]:
    """A dynamic range lies inside its subnet, the right way round, and holds no host's address."""
    for index, pair in enumerate(topology.dhcp):
        start, end, path = pair.range.start, pair.range.end, f"dhcp[{index}].range"
        if start > end:
            yield Finding(path, f"{start} comes after {end}", "swap the two")
            continue
        if start not in pair.subnet or end not in pair.subnet:
            yield Finding(path, f"{start} to {end} is not inside {pair.subnet}", "choose addresses of the subnet")
        for name, host in topology.hosts.items():
            if host.address.version == 4 and start <= host.address <= end:
                yield Finding(path, f"holds {host.address}, the address of {name}", "leave it out of the range")


def dhcp_subnets_differ(topology: Topology) -> Iterator[Finding]:
    """A subnet is served by one pair."""
    by_place = sorted(enumerate(topology.dhcp), key=lambda item: item[1].subnet)
    for (_, before), (index, after) in pairwise(by_place):
        if before.subnet.overlaps(after.subnet):
            problem = f"{after.subnet} overlaps {before.subnet}"
            yield Finding(f"dhcp[{index}].subnet", problem, "name each subnet once")
