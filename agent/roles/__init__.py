"""One role a file: what its files can't express."""

from __future__ import annotations

from agent.bundle import HaproxySettings, HostSettings, PostgresSettings
from agent.machine import Work
from agent.roles.base import Role
from agent.roles.haproxy import Haproxy
from agent.roles.host import Host
from agent.roles.postgres import Postgres

ROLES: dict[str, type[Role]] = {"host": Host, "postgres": Postgres, "haproxy": Haproxy}


def make_role(work: Work) -> Role:
    """The role of the bundle."""
    settings = work.bundle.settings
    if isinstance(settings, HostSettings):
        return Host(work, settings)
    if isinstance(settings, PostgresSettings):
        return Postgres(work, settings)
    if isinstance(settings, HaproxySettings):
        return Haproxy(work, settings)
    raise NotImplementedError
