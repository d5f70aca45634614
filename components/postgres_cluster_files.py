"""What the hosts of a database cluster are told: the component's arguments, and the files that follow from them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from agent.bundle import Effect, File, secret_marker, server_unit
from agent.cluster_settings import (
    AUTHORITY,
    CERTIFICATE,
    ETCD_CLIENT_PORT,
    ETCD_DATA,
    ETCD_FOLDER,
    ETCD_PEER_PORT,
    ETCD_UNIT,
    GUARD_UNIT,
    KEY,
    NAMESPACE,
    PATRONI_CONF,
    PATRONI_FOLDER,
    PATRONI_UNIT,
    POSTGRES_PORT,
    REPLICATION,
    REST_PORT,
    REWIND,
    SCOPE,
    SUPERUSER,
    data_folder,
)
from components.args import Args
from components.cluster_secrets import Certificate
from components.host import Host
from components.postgres_primary import networks
from components.render import render

TIMING = {"ttl": 10, "loop_wait": 3, "retry_timeout": 3}
"""Seconds. A leader that died is replaced once its lock of `ttl` has run out; a lock is renewed every `loop_wait`, and
an etcd that is slower than `retry_timeout` costs a leader its place unless it still reaches all others (`failsafe`)."""

RESTART_SECONDS = 5
"""That a leader which crashed has to recover before another one takes over, where that can lose nothing."""


@dataclass(frozen=True)
class Member:
    """One host of the cluster."""

    host: Host
    address: str
    certificate: Certificate
    """For server and client; the same for all of its services."""

    def at(self, port: int) -> str:
        """`ADDRESS:PORT`."""
        return f"{_bracketed(self.address)}:{port}"


class PostgresClusterArgs(Args):
    """PostgreSQL that all regions share."""

    members: tuple[Member, ...]
    version: int
    synchronous: bool
    database: str
    role: str
    password: pulumi.Output[str]
    superuser_password: pulumi.Output[str]
    replication_password: pulumi.Output[str]
    rewind_password: pulumi.Output[str]
    ca_certificate: pulumi.Output[str]
    region_addresses: tuple[str, ...]
    region_hosts: tuple[Host, ...]
    """They refuse a database that none of their rows are in, so nothing begins before them."""
    tls_only: bool
    """False where a service of MAAS connects without TLS; passwords are never sent in the clear (SCRAM)."""
    max_connections: int
    superuser_reserved_connections: int


def dynamic_configuration(args: PostgresClusterArgs) -> dict[str, object]:
    """What all hosts have in common; Patroni keeps it in etcd."""
    return TIMING | {
        **({"primary_start_timeout": RESTART_SECONDS} if args.synchronous else {}),
        "failsafe_mode": True,
        "synchronous_mode": args.synchronous,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {name: int(value) for name, value in parameters(args).items()},
        },
    }


def parameters(args: PostgresClusterArgs) -> dict[str, str]:
    """Those that PostgreSQL takes over by a restart only: rolling, with a switchover at its end."""
    return {
        "max_connections": str(args.max_connections),
        "superuser_reserved_connections": str(args.superuser_reserved_connections),
    }


def member_files(args: PostgresClusterArgs, member: Member) -> tuple[tuple[File, ...], tuple[File, ...]]:
    """Those of etcd and those of Patroni."""
    peers = [f"{other.host.name}=https://{other.at(ETCD_PEER_PORT)}" for other in args.members]
    env = render(
        "etcd.env",
        name=member.host.name,
        data_dir=ETCD_DATA,
        peer_url=f"https://{member.at(ETCD_PEER_PORT)}",
        client_url=f"https://{member.at(ETCD_CLIENT_PORT)}",
        members=peers,
        token=f"maas-ha-{SCOPE}",
        **_places(ETCD_FOLDER),
    )
    conf = render(
        "patroni.yml",
        scope=SCOPE,
        namespace=NAMESPACE,
        name=member.host.name,
        rest=member.at(REST_PORT),
        etcd=[other.at(ETCD_CLIENT_PORT) for other in args.members],
        dynamic=json.dumps(dynamic_configuration(args)),
        listen=f"127.0.0.1,{member.at(POSTGRES_PORT)}",
        connect=member.at(POSTGRES_PORT),
        data_dir=data_folder(args.version),
        bin_dir=f"/usr/lib/postgresql/{args.version}/bin",
        pgpass="/var/lib/postgresql/.maas-ha-pgpass",
        users=[
            {"purpose": "superuser", "name": SUPERUSER, "password": secret_marker("superuser_password")},
            {"purpose": "replication", "name": REPLICATION, "password": secret_marker("replication_password")},
            {"purpose": "rewind", "name": REWIND, "password": secret_marker("rewind_password")},
        ],
        hba=hba_lines(args),
        **_places(PATRONI_FOLDER),
    )
    etcd = (
        # etcd reads certificate and key anew for each connection.
        *_certificates(ETCD_FOLDER, "etcd", Effect.NOTHING, ETCD_UNIT),
        File(f"/etc/systemd/system/{ETCD_UNIT}.d/maas-ha.conf", render("etcd.service.conf")),
        File("/etc/default/etcd", env, effect=Effect.RESTART, units=(ETCD_UNIT,)),
    )
    patroni = (
        *_certificates(PATRONI_FOLDER, "postgres", Effect.RELOAD, PATRONI_UNIT),
        File(f"/etc/systemd/system/{PATRONI_UNIT}.d/maas-ha.conf", render("patroni.service.conf")),
        File(
            f"/etc/systemd/system/{server_unit(args.version)}.d/maas-ha.conf",
            render("postgresql.service.conf", data_dir=data_folder(args.version)),
        ),
        File(
            f"/etc/systemd/system/{GUARD_UNIT}",
            render("patroni-guard.service", address=member.address),
            effect=Effect.RESTART,
            units=(GUARD_UNIT,),
        ),
        File(PATRONI_CONF, conf, "root", "postgres", 0o640, effect=Effect.RELOAD, units=(PATRONI_UNIT,)),
    )
    return etcd, patroni


def _certificates(folder: str, user: str, effect: Effect, unit: str) -> tuple[File, ...]:
    kinds = (
        (AUTHORITY, "ca_certificate", 0o644),
        (CERTIFICATE, "member_certificate", 0o644),
        (KEY, "member_key", 0o600),
    )
    return tuple(
        File(f"{folder}/{name}", secret_marker(secret), user, user, mode, effect=effect, units=(unit,))
        for name, secret, mode in kinds
    )


def _places(folder: str) -> dict[str, str]:
    return {
        "authority": f"{folder}/{AUTHORITY}",
        "certificate": f"{folder}/{CERTIFICATE}",
        "key": f"{folder}/{KEY}",
    }


def hba_lines(args: PostgresClusterArgs) -> list[str]:
    """Each host's own administrator, the hosts among themselves, and the regions."""
    members = networks(tuple(member.address for member in args.members))
    kind = "hostssl" if args.tls_only else "host"
    return [
        "local all postgres peer",
        "local all all peer",
        f"local replication {REPLICATION} scram-sha-256",
        *(f"hostssl replication {REPLICATION} {address} scram-sha-256" for address in members),
        *(f"hostssl postgres {REWIND} {address} scram-sha-256" for address in members),
        *(f"hostssl all {SUPERUSER} {address} scram-sha-256" for address in members),
        *(f"{kind} {args.database} {args.role} {address} scram-sha-256" for address in networks(args.region_addresses)),
    ]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
