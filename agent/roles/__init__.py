"""One role a file: what its files can't express."""

from __future__ import annotations

from agent.bundle import (
    DhcpSettings,
    HaproxySettings,
    HostSettings,
    IscDhcpSettings,
    PostgresSettings,
    RackSettings,
    RegionSettings,
)
from agent.cluster_settings import EtcdSettings, PatroniSettings, PostgresClusterSettings
from agent.errors import StepError
from agent.keepalived import KeepalivedSettings
from agent.machine import Work
from agent.roles.base import Role
from agent.roles.dhcp import Dhcp
from agent.roles.etcd import Etcd
from agent.roles.haproxy import Haproxy
from agent.roles.host import Host
from agent.roles.isc_dhcp import IscDhcp
from agent.roles.keepalived import Keepalived
from agent.roles.patroni import Patroni
from agent.roles.postgres import Postgres
from agent.roles.postgres_cluster import PostgresCluster
from agent.roles.rack import Rack
from agent.roles.region import Region

ROLES: dict[str, type[Role]] = {
    "host": Host,
    "postgres": Postgres,
    "region": Region,
    "rack": Rack,
    "haproxy": Haproxy,
    "keepalived": Keepalived,
    "dhcp": Dhcp,
    "isc_dhcp": IscDhcp,
    "etcd": Etcd,
    "patroni": Patroni,
    "postgres_cluster": PostgresCluster,
}


def make_role(work: Work) -> Role:
    """The role of the bundle."""
    settings = work.bundle.settings
    if isinstance(settings, HostSettings):
        return Host(work, settings)
    if isinstance(settings, PostgresSettings):
        return Postgres(work, settings)
    if isinstance(settings, HaproxySettings):
        return Haproxy(work, settings)
    if isinstance(settings, KeepalivedSettings):
        return Keepalived(work, settings)
    if isinstance(settings, RackSettings):
        return Rack(work, settings)
    if isinstance(settings, DhcpSettings):
        return Dhcp(work, settings)
    if isinstance(settings, IscDhcpSettings):
        return IscDhcp(work, settings)
    if isinstance(settings, EtcdSettings):
        return Etcd(work, settings)
    if isinstance(settings, PatroniSettings):
        return Patroni(work, settings)
    if isinstance(settings, PostgresClusterSettings):
        return PostgresCluster(work, settings)
    if isinstance(settings, RegionSettings):
        return Region(work, settings)
    raise StepError(f"no role for {type(settings).__name__}")
