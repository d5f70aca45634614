"""BMC networks: power goes on when a rack dies only where another one is at hand (maas-facts §12.8)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from config.finding import Finding
from config.topology import Topology


def bmc_is_reached_by_two_racks(topology: Topology) -> Iterator[Finding]:
    """MAAS sends a power action through a connected rack that has an address in the BMC's subnet; one rack may die."""
    for index, bmc in enumerate(topology.bmc):
        path = f"bmc[{index}].racks"
        for place, name in enumerate(bmc.racks):
            if name not in topology.racks:
                yield Finding(f"{path}[{place}]", f"{name!r} is no rack", f"name one of {', '.join(topology.racks)}")
            elif name in bmc.racks[:place]:
                yield Finding(f"{path}[{place}]", f"{name!r} is named twice", "name another rack")
        if len(set(bmc.racks)) < 2:
            problem = f"fewer than two racks reach {bmc.subnet}, so power there ends with one rack (maas-facts §12.8)"
            yield Finding(path, problem, "name a second rack with an address in it, or take the entry out")


def bmc_racks_are_in_the_subnet(topology: Topology) -> Iterator[Finding]:
    """MAAS knows by a rack's addresses alone which BMCs it reaches directly (maas-facts §12.8)."""
    for index, bmc in enumerate(topology.bmc):
        for place, name in enumerate(bmc.racks):
            host = topology.hosts.get(name)
            if host is not None and not host.addresses_in(bmc.subnet):
                problem = f"{name} has no address in {bmc.subnet}, by which MAAS would know that it reaches the BMCs"
                remedy = f"give its interface one and name it under hosts.{name}.also, or name another rack"
                yield Finding(f"bmc[{index}].racks[{place}]", problem, remedy)


def bmc_subnets_differ(topology: Topology) -> Iterator[Finding]:
    """MAAS knows each address by one subnet, the narrowest."""
    for (_, before), (index, after) in combinations(enumerate(topology.bmc), 2):
        if before.subnet.version == after.subnet.version and before.subnet.overlaps(after.subnet):
            problem = f"{after.subnet} overlaps {before.subnet}"
            yield Finding(f"bmc[{index}].subnet", problem, "name each subnet once, with all of its racks")
