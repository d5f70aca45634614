"""Which drills a stack can have, on which hosts, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.stack_file import Cluster
from config.topology import Database, DatabaseCluster, DhcpPair, ExternalDatabase
from ops.drill_report import Skipped
from ops.engine import EngineError

FAULTS = {
    "region": ("kill", "hang", "off", "cut"),
    "balancer": ("kill", "hang", "off"),
    "database": ("off", "kill", "hang", "cut"),
    "rack": ("off", "kill"),
    "partition": ("cut",),
}
"""By what fails; the first one is that of a drill for which none was named."""
ROLES = {"region": "region", "balancer": "haproxy", "database": "patroni", "rack": "rack"}
"""As the agent calls them."""
ALL = (
    ("region", "kill"),
    ("region", "hang"),
    ("balancer", "kill"),
    ("database", "off"),
    ("database", "hang"),
    ("rack", "off"),
    ("partition", "cut"),
)
CLIENTS_SECONDS, CLIENTS = 4.0, 8
"""DHCP clients, and how often each renews its lease."""


@dataclass(frozen=True)
class Planned:
    """One drill to come."""

    kind: str
    fault: str
    host: str = ""
    """"" for the one that serves this machine, or leads."""

    def __str__(self) -> str:
        return f"{self.fault} of {self.host or f'the {self.kind} in use'}"


@dataclass(frozen=True)
class Hit:
    """A host that gets a fault."""

    host: str
    role: str
    """As the agent calls it."""
    addresses: tuple[str, ...] = ()
    """What it is cut off from."""


def planned(cluster: Cluster, stack: str, kind: str, fault: str, host: str) -> tuple[list[Planned], list[Skipped]]:
    """The drills that were asked for, `all` of them or one. Raises `EngineError` for what this stack can't have."""
    if kind == "all":
        if fault or host:
            raise EngineError("`all` takes neither a host nor --fault: it has its own")
        every = [Planned(*each) for each in ALL]
        return (
            [each for each in every if not why_not(cluster, each.kind)],
            [
                Skipped(kind=k, why=why)
                for k in dict.fromkeys(each.kind for each in every)
                if (why := why_not(cluster, k))
            ],
        )
    fault = fault or FAULTS[kind][0]
    if fault not in FAULTS[kind]:
        raise EngineError(f"no fault {fault!r} of a {kind}; there are {', '.join(FAULTS[kind])}")
    if why := why_not(cluster, kind):
        raise EngineError(f"nothing was done: {why}")
    known = candidates(cluster, kind)
    if host and host not in known:
        raise EngineError(f"{host} is no {kind} of stack {stack}; there are {', '.join(known)}")
    return [Planned(kind, fault, host)], []


def why_not(cluster: Cluster, kind: str) -> str:
    """Why nothing could take over from what fails, "" where something can."""
    database = cluster.topology.database
    if kind in ("database", "partition"):
        if isinstance(database, Database):
            return f"{database.host} has the stack's one PostgreSQL (database.host), from which nothing can take over"
        if isinstance(database, ExternalDatabase):
            return (
                f"the PostgreSQL at {database.external} is your own (database.external): this stack can't make it fail"
            )
        return ""
    known = candidates(cluster, kind)
    return f"{known[0]} is the stack's only {kind}, from which nothing can take over" if len(known) == 1 else ""


def candidates(cluster: Cluster, kind: str) -> list[str]:
    """Hosts that can have the fault."""
    topology = cluster.topology
    if kind == "region":
        return list(topology.regions)
    if kind == "balancer":
        return list(topology.load_balancer.named.values())
    if kind == "rack":
        pair = pair_of(cluster)
        return [pair.primary, pair.secondary] if pair else list(topology.racks)
    return list(topology.database.cluster) if isinstance(topology.database, DatabaseCluster) else []


def pair_of(cluster: Cluster) -> DhcpPair | None:
    """The first DHCP pair of racks that serves."""
    pairs = (pair for pair in cluster.topology.dhcp if isinstance(pair, DhcpPair) and pair.enabled)
    return next(pairs, None)


def clients_host(cluster: Cluster, spared: Sequence[str]) -> str:
    """A host that can have DHCP clients of `pair_of`: it has an address there, is none of the pair, for a dhcpd of the
    same host doesn't hear them, and none of `spared`; "" for none."""
    pair = pair_of(cluster)
    if pair is None:
        return ""
    taken = {pair.primary, pair.secondary, *spared}
    hosts = cluster.topology.hosts.items()
    return next((name for name, host in hosts if name not in taken and host.addresses_in(pair.subnet)), "")


def hits(cluster: Cluster, planned: Planned, serving: str, leader: str) -> list[Hit]:
    """Who gets the fault: `serving` is the region in use, `leader` the database's."""
    if planned.kind == "partition":
        minority = (leader, serving)
        return [_cut(cluster, leader, "patroni", minority), _cut(cluster, serving, "region", minority)]
    in_use = {"database": leader, "rack": candidates(cluster, "rack")[0]}
    host, role = planned.host or in_use.get(planned.kind, serving), ROLES[planned.kind]
    return [_cut(cluster, host, role, (host,)) if planned.fault == "cut" else Hit(host, role)]


def _cut(cluster: Cluster, host: str, role: str, together: Sequence[str]) -> Hit:
    """Off from all of the stack's hosts but those `together` with it."""
    hosts = cluster.topology.hosts
    kept = {address for name in {host, *together} for address in hosts[name].addresses}
    others = {address for other in hosts.values() for address in other.addresses} - kept
    return Hit(host, role, tuple(sorted(map(str, others))))
