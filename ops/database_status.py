"""The databases as each host tells of them: who leads, who is behind, what is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from config.stack_file import Cluster
from config.topology import DatabaseCluster
from ops.agent_status import AgentStatus, Connections, Told, told_by
from ops.hosts import NoAnswer

FULL = 0.9
"""A database with so much of its connections taken is a problem."""
LEADER, SYNC_STANDBY = "leader", "sync standby"
UP = ("running", "streaming")
HEALTHY = "healthy"


class DatabaseStatus(BaseModel):
    """One PostgreSQL."""

    host: str
    role: str = "primary"
    """Of a cluster's host `leader`, `sync standby` or `replica`."""
    state: str = "running"
    lag_bytes: int | None = None
    """How far a replica is behind; None for what is none."""
    connections: int | None
    """Open now; None where it doesn't answer."""
    allowed: int
    etcd: str | None = None
    """Of a cluster's host `healthy`, or what is wrong with etcd there."""


def of(hosts: Mapping[str, AgentStatus | NoAnswer]) -> list[DatabaseStatus]:
    """Every PostgreSQL whose host answered."""
    etcd = {host: told.etcd or HEALTHY for host, told in told_by(hosts) if told.etcd is not None}
    return [_one(host, told, told.connections, etcd.get(host)) for host, told in told_by(hosts) if told.connections]


def _one(host: str, told: Told, connections: Connections, etcd: str | None) -> DatabaseStatus:
    found = DatabaseStatus(host=host, connections=connections.used, allowed=connections.allowed, etcd=etcd)
    if told.member:
        found.role, found.state, found.lag_bytes = told.member.role, told.member.state, told.member.lag_bytes
    return found


def problems(
    cluster: Cluster, databases: Sequence[DatabaseStatus], hosts: Mapping[str, AgentStatus | NoAnswer]
) -> list[str]:
    """What is wrong with each, and with all of them together."""
    found = [problem for database in databases for problem in _of_one(database)]
    wanted = cluster.topology.database
    return [*found, *_of_cluster(wanted, databases, hosts)] if isinstance(wanted, DatabaseCluster) else found


def _of_one(database: DatabaseStatus) -> list[str]:
    found = []
    if database.connections is None:
        found.append(f"{database.host}: PostgreSQL doesn't answer")
    elif database.connections > FULL * database.allowed:
        found.append(f"{database.host}: {database.connections} of {database.allowed} connections are taken")
    if database.connections is not None and database.state not in UP:
        found.append(f"{database.host}: PostgreSQL is {database.state}")
    if database.etcd not in (None, HEALTHY):
        found.append(f"{database.host}: {database.etcd}")
    return found


def _of_cluster(
    wanted: DatabaseCluster, databases: Sequence[DatabaseStatus], hosts: Mapping[str, AgentStatus | NoAnswer]
) -> list[str]:
    leaders = [database.host for database in databases if database.role == LEADER]
    found = [] if leaders else ["no database host that answers leads"]
    if len(leaders) > 1:
        found.append(f"{' and '.join(leaders)} both say that they lead the database")
    if wanted.synchronous and leaders and not any(database.role == SYNC_STANDBY for database in databases):
        found.append("no replica is synchronous: writes are on the leader alone")
    for host, told in told_by(hosts):
        if told.leaders is not None and sorted(told.leaders) != sorted(leaders) and leaders:
            found.append(f"{host}: its way to the database goes to {' and '.join(told.leaders) or 'no host'}")
    return found
