"""PostgreSQL on several hosts, of which Patroni makes one the leader and etcd remembers which (maas-facts §7).

The order: etcd's members side by side, since none works before a majority is there; then Patroni on the first host,
which makes the database, or goes on with that of the one PostgreSQL that was there before; on the others side by side,
which copy it; then, from one host, what concerns them all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from agent.bundle import Bundle, Effect, File, secret_marker, server_unit
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
    EtcdSettings,
    PatroniSettings,
    PostgresClusterSettings,
    data_folder,
)
from components.args import Args
from components.cluster_secrets import Certificate
from components.host import Applied, Host
from components.postgres_primary import networks
from components.render import render, shown_in_preview

TIMING = {"ttl": 10, "loop_wait": 3, "retry_timeout": 3}
"""Seconds. A leader that died is replaced once its lock of `ttl` has run out; a lock is renewed every `loop_wait`, and
an etcd that is slower than `retry_timeout` costs a leader its place unless it still reaches all others (`failsafe`)."""

RESTART_SECONDS = 5
"""That a leader which crashed has to recover before another one takes over, where that can lose nothing."""

NO_MAIN_CLUSTER = File(
    "/etc/postgresql-common/createcluster.d/maas-ha.conf",
    "# Written by maas-ha: Patroni makes the database; another one would take its port.\ncreate_main_cluster = false\n",
)
"""Has to be there before PostgreSQL's package is."""


def packages(version: int) -> tuple[str, ...]:
    """Packages of each host; all of them hold or serve data."""
    return (f"postgresql-{version}", "patroni", "etcd-server", "etcd-client")


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


class PostgresCluster(pulumi.ComponentResource):
    """A leader and its replicas, all up, with MAAS's role and database."""

    members: pulumi.Output[dict[str, str]]
    """Host name → `ADDRESS:PORT`, once all of them serve."""

    def __init__(self, name: str, args: PostgresClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        files = {member.host.name: _files(args, member) for member in args.members}
        dynamic = _dynamic(args)
        shown: dict[str, object] = {
            host: shown_in_preview((*etcd, *own)) | {"host": host} for host, (etcd, own) in files.items()
        }
        super().__init__("maas:index:PostgresCluster", name, shown | {"settings": _parameters(args)}, opts)
        self._name, self._args = name, args
        first, *others = args.members
        etcd = [self._etcd(member, files[member.host.name][0]) for member in args.members]
        running = [self._patroni(first, files[first.host.name][1], etcd)]
        running += [self._patroni(member, files[member.host.name][1], running[:1]) for member in others]
        settled = self._settle(dynamic, running)
        self.members = settled.then({member.host.name: member.at(POSTGRES_PORT) for member in args.members})
        self.register_outputs({"members": self.members})

    def _etcd(self, member: Member, files: tuple[File, ...]) -> Applied:
        addresses = {other.host.name: other.address for other in self._args.members}
        bundle = Bundle(
            host=member.host.name,
            component=f"{self._name}-etcd",
            settings=EtcdSettings(addresses, self._founder),
            packages=packages(self._args.version),
            files=files,
            units=(ETCD_UNIT,),
        )
        secrets = self._tls(member)
        name = f"{self._name}-{member.host.name}-etcd-apply"
        return member.host.apply(
            name, bundle, parent=self, secrets=secrets, after=[host.ready for host in self._args.region_hosts]
        )

    @property
    def _founder(self) -> str:
        return self._args.members[0].host.name

    def _patroni(self, member: Member, files: tuple[File, ...], after: list[Applied]) -> Applied:
        bundle = Bundle(
            host=member.host.name,
            component=f"{self._name}-patroni",
            settings=PatroniSettings(
                version=self._args.version,
                address=member.address,
                etcd=tuple(other.address for other in self._args.members),
                hba=tuple(_hba(self._args)),
                founder=self._founder,
                connections=self._args.max_connections - self._args.superuser_reserved_connections,
            ),
            packages=packages(self._args.version),
            files=files,
            units=(PATRONI_UNIT, GUARD_UNIT),
        )
        passwords = {
            "superuser_password": self._args.superuser_password,
            "replication_password": self._args.replication_password,
            "rewind_password": self._args.rewind_password,
        }
        return member.host.apply(
            f"{self._name}-{member.host.name}-patroni-apply",
            bundle,
            parent=self,
            secrets=self._tls(member) | passwords,
            after=[applied.command for applied in after],
        )

    def _settle(self, dynamic: dict[str, object], running: list[Applied]) -> Applied:
        args, first = self._args, self._args.members[0]
        bundle = Bundle(
            host=first.host.name,
            component=self._name,
            settings=PostgresClusterSettings(
                members={member.host.name: member.address for member in args.members},
                version=args.version,
                database=args.database,
                role=args.role,
                dynamic=json.dumps(dynamic),
                synchronous=args.synchronous,
                connections=args.max_connections - args.superuser_reserved_connections,
            ),
            packages=packages(args.version),
        )
        passwords = {"database_password": args.password, "superuser_password": args.superuser_password}
        after = [applied.command for applied in running]
        return first.host.apply(f"{self._name}-apply", bundle, parent=self, secrets=passwords, after=after)

    def _tls(self, member: Member) -> dict[str, pulumi.Input[str]]:
        return {
            "ca_certificate": self._args.ca_certificate,
            "member_certificate": member.certificate.certificate,
            "member_key": member.certificate.key,
        }


def _dynamic(args: PostgresClusterArgs) -> dict[str, object]:
    """What all hosts have in common; Patroni keeps it in etcd."""
    return TIMING | {
        **({"primary_start_timeout": RESTART_SECONDS} if args.synchronous else {}),
        "failsafe_mode": True,
        "synchronous_mode": args.synchronous,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {name: int(value) for name, value in _parameters(args).items()},
        },
    }


def _parameters(args: PostgresClusterArgs) -> dict[str, str]:
    """Those that PostgreSQL takes over by a restart only: rolling, with a switchover at its end."""
    return {
        "max_connections": str(args.max_connections),
        "superuser_reserved_connections": str(args.superuser_reserved_connections),
    }


def _files(args: PostgresClusterArgs, member: Member) -> tuple[tuple[File, ...], tuple[File, ...]]:
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
        dynamic=json.dumps(_dynamic(args)),
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
        hba=_hba(args),
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


def _hba(args: PostgresClusterArgs) -> list[str]:
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
