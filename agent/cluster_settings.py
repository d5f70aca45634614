"""What the hosts of a PostgreSQL cluster are told, and where its parts are on each of them (Debian's packages)."""

from __future__ import annotations

from dataclasses import dataclass

ETCD_CLIENT_PORT, ETCD_PEER_PORT, REST_PORT, POSTGRES_PORT = 2379, 2380, 8008, 5432

ETCD_UNIT, PATRONI_UNIT, GUARD_UNIT = "etcd.service", "patroni.service", "maas-ha-patroni-guard.service"

ETCD_FOLDER, PATRONI_FOLDER = "/etc/etcd", "/etc/patroni"
"""Each has the certificate, for the one user that reads it there."""

AUTHORITY, CERTIFICATE, KEY = "maas-ha-ca.crt", "maas-ha.crt", "maas-ha.key"
"""Files in both of these folders, PEM."""

PATRONI_CONF = f"{PATRONI_FOLDER}/config.yml"

ETCD_DATA = "/var/lib/etcd/maas-ha"

SCOPE, NAMESPACE = "maas", "/maas-ha/"
"""Names of Patroni's cluster in etcd."""

SUPERUSER = "postgres"
REPLICATION, REWIND = "replicator", "rewind"
"""Users by which hosts copy the leader, and come back to it."""


def data_folder(version: int) -> str:
    """PostgreSQL's data, in a folder that no package uses."""
    return f"/var/lib/postgresql/{version}/maas-ha"


@dataclass(frozen=True)
class EtcdSettings:
    """One member of etcd."""

    members: dict[str, str]
    """Host name → address, of all members."""
    founder: str = ""
    """The host whose PostgreSQL the cluster begins with: the first in the stack file."""


@dataclass(frozen=True)
class PatroniSettings:
    """One PostgreSQL, run by Patroni."""

    version: int
    address: str
    etcd: tuple[str, ...]
    """Addresses of etcd's members."""
    hba: tuple[str, ...]
    """Lines that PostgreSQL has in pg_hba.conf once it follows the new configuration."""
    founder: str = ""
    """The host that makes the database, or has it already; the others copy it."""
    connections: int = 0
    """What MAAS's role may hold on the host that leads."""


@dataclass(frozen=True)
class PostgresClusterSettings:
    """The cluster as a whole, seen to from one of its hosts. Secrets: `database_password`, `superuser_password`."""

    members: dict[str, str]
    """Host name → address."""
    version: int
    database: str
    role: str
    dynamic: str
    """JSON: what Patroni's configuration in etcd has to hold, and may hold more."""
    synchronous: bool
    connections: int
    """What MAAS's role must be able to hold."""
