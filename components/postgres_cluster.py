"""PostgreSQL on several hosts, of which Patroni makes one the leader and etcd remembers which (maas-facts §7).

The order: etcd's members side by side, since none works before a majority is there; then Patroni on the first host,
which makes the database, or goes on with that of the one PostgreSQL that was there before; on the others side by side,
which copy it; then, from one host, what concerns them all.
"""

from __future__ import annotations

import json

import pulumi

from agent.bundle import Bundle, File
from agent.cluster_settings import (
    ETCD_UNIT,
    GUARD_UNIT,
    PATRONI_UNIT,
    POSTGRES_PORT,
    EtcdSettings,
    PatroniSettings,
    PostgresClusterSettings,
)
from components.host import Applied
from components.postgres_cluster_files import (
    Member,
    PostgresClusterArgs,
    dynamic_configuration,
    hba_lines,
    member_files,
    parameters,
)
from components.render import shown_in_preview

NO_MAIN_CLUSTER = File(
    "/etc/postgresql-common/createcluster.d/maas-ha.conf",
    "# Written by maas-ha: Patroni makes the database; another one would take its port.\ncreate_main_cluster = false\n",
)
"""Has to be there before PostgreSQL's package is."""


def packages(version: int) -> tuple[str, ...]:
    """Packages of each host; all of them hold or serve data."""
    return (f"postgresql-{version}", "patroni", "etcd-server", "etcd-client")


class PostgresCluster(pulumi.ComponentResource):
    """A leader and its replicas, all up, with MAAS's role and database."""

    members: pulumi.Output[dict[str, str]]
    """Host name → `ADDRESS:PORT`, once all of them serve."""

    def __init__(self, name: str, args: PostgresClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        files = {member.host.name: member_files(args, member) for member in args.members}
        dynamic = dynamic_configuration(args)
        shown: dict[str, object] = {
            host: shown_in_preview((*etcd, *own)) | {"host": host} for host, (etcd, own) in files.items()
        }
        super().__init__("maas:index:PostgresCluster", name, shown | {"settings": parameters(args)}, opts)
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
                hba=tuple(hba_lines(self._args)),
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
