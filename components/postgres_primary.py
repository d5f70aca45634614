"""PostgreSQL on one host, with the role and the database of MAAS (maas-facts §7)."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from agent.bundle import Bundle, Effect, File, PostgresSettings, secret_marker, server_unit
from components.args import Args
from components.cluster_secrets import Certificate
from components.host import Host
from components.render import render, shown_in_preview

PORT = 5432


def packages(version: int) -> tuple[str, ...]:
    """Packages of a PostgreSQL host."""
    return (f"postgresql-{version}",)


@dataclass(frozen=True)
class Needs:
    """What a server that this program doesn't configure must have."""

    version: int
    """Oldest major version."""
    connections: int
    """Free for MAAS's role, however many it holds already."""


@dataclass(frozen=True)
class Database:
    """What a region needs to reach its database, whoever serves it."""

    host: pulumi.Output[str]
    port: int
    name: str
    role: str
    password: pulumi.Output[str]
    """Secret."""
    needs: Needs | None = None
    """To be checked before anything is touched; None where this program has seen to it."""

    @property
    def endpoint(self) -> pulumi.Output[str]:
        """`ADDRESS:PORT`, an IPv6 address in brackets."""
        return self.host.apply(lambda host: f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}")


class PostgresPrimaryArgs(Args):
    """One PostgreSQL that all regions share."""

    host: Host
    address: str
    version: int
    database: str
    role: str
    password: pulumi.Output[str]
    certificate: Certificate
    region_addresses: tuple[str, ...]
    region_hosts: tuple[Host, ...]
    """They refuse an older MAAS than theirs, so nothing is made fit for one before them."""
    tls_only: bool
    """False where a service of MAAS connects without TLS; passwords are never sent in the clear (SCRAM)."""
    max_connections: int
    superuser_reserved_connections: int


class PostgresPrimary(pulumi.ComponentResource):
    """PostgreSQL, open to each region by its address and to nobody else."""

    endpoint: pulumi.Output[str]
    """`ADDRESS:PORT`."""

    database: Database

    def __init__(self, name: str, args: PostgresPrimaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        files = _files(args)
        super().__init__("maas:index:PostgresPrimary", name, shown_in_preview(files), opts)
        unit = server_unit(args.version)
        applied = args.host.apply(
            f"{name}-apply",
            Bundle(
                host=args.host.name,
                component=name,
                settings=PostgresSettings(
                    version=args.version,
                    database=args.database,
                    role=args.role,
                    connections=args.max_connections - args.superuser_reserved_connections,
                ),
                packages=packages(args.version),
                files=files,
                units=(unit,),
            ),
            parent=self,
            secrets={
                "database_password": args.password,
                "server_certificate": args.certificate.certificate,
                "server_key": args.certificate.key,
            },
            after=[host.ready for host in args.region_hosts],
        )
        self.database = Database(applied.then(args.address), PORT, args.database, args.role, args.password)
        self.endpoint = self.database.endpoint
        self.register_outputs({"endpoint": self.endpoint})


def _files(args: PostgresPrimaryArgs) -> tuple[File, ...]:
    folder = f"/etc/postgresql/{args.version}/main"
    certificate, key = f"{folder}/maas-ha.crt", f"{folder}/maas-ha.key"

    def file(path: str, content: str, effect: Effect, mode: int = 0o640) -> File:
        return File(path, content, "postgres", "postgres", mode, effect=effect, units=(server_unit(args.version),))

    hba = render(
        "pg_hba.conf",
        type="hostssl" if args.tls_only else "host",
        database=args.database,
        role=args.role,
        regions=networks(args.region_addresses),
    )
    restart = render(
        "postgresql-restart.conf",
        address=args.address,
        max_connections=args.max_connections,
        superuser_reserved_connections=args.superuser_reserved_connections,
    )
    return (
        file(certificate, secret_marker("server_certificate"), Effect.RELOAD),
        file(key, secret_marker("server_key"), Effect.RELOAD, mode=0o600),
        file(f"{folder}/pg_hba.conf", hba, Effect.RELOAD),
        file(f"{folder}/conf.d/60-maas-ha-restart.conf", restart, Effect.RESTART),
        file(
            f"{folder}/conf.d/61-maas-ha-reload.conf",
            render("postgresql-reload.conf", certificate=certificate, key=key),
            Effect.RELOAD,
        ),
    )


def networks(addresses: tuple[str, ...]) -> list[str]:
    """Each address as a network of one, sorted, each once."""
    return sorted({f"{address}/{128 if ':' in address else 32}" for address in addresses})
