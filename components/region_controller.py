"""A region controller (maas-facts §1.2, §2, §3, §10)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pulumi

from agent.bundle import Bundle, Effect, File, RegionSettings, secret_marker
from agent.packaging import SNAP, Packaging, region_unit
from components.args import Args
from components.host import Host
from components.maas_tls import MaasTls
from components.postgres_primary import Database
from components.region_rolling import UNIT, files
from components.render import effect_of, render, settings_in_preview, shown_in_preview
from components.virtual_address import Balancer
from config.ports import VIEW_PORT
from config.urls import region_url
from config.versions import VersionFacts

IN_REGIOND_CONF = ("workers", "database_port", "database", "role")
"""Settings that a preview shows in the file."""


@dataclass(frozen=True)
class Api:
    """How a program talks to MAAS: where is known from the start, and that it answers once it `serves`."""

    serves: pulumi.Resource
    """The last region: it is after all others, and they are after the load balancer."""
    urls: tuple[str, ...]
    """Balanced address first, then each region's own; https where MAAS has TLS."""
    maas_urls: tuple[str, ...]
    """The same for rackd.conf: always http, as racks ask port 5240 also with TLS (maas-facts §8)."""
    key: pulumi.Output[str]
    """Secret: `CONSUMER:TOKEN:SECRET`."""
    ca_certificate: pulumi.Output[str]
    """PEM of the authority that https is verified by."""


class RegionControllerArgs(Args):
    """One region controller."""

    host: Host
    address: str
    facts: VersionFacts
    maas_version: str
    """`MAJOR.MINOR`."""
    packaging: Packaging
    workers: int
    load_balancer: Balancer
    """Its `maas_url` is that of every region, for the one that started last writes it to the database (§2). As it is
    there before the regions, it goes after them, and each is forgotten through it."""
    balancers: tuple[str, ...]
    """Addresses of all balancers' hosts, at which a region is drained before it is restarted."""
    database: Database
    admin_username: str
    admin_email: str
    admin_password: pulumi.Output[str]
    leader: RegionController | None
    """The region that makes the schema, the administrator and the shared secret; None makes this one it."""
    after: tuple[pulumi.Resource, ...]
    """What must be done before this one is touched: the region before it, before the leader an upgrade's steps."""
    tls: MaasTls | None
    """None for http alone."""
    ca_certificate: pulumi.Output[str]
    """PEM of the cluster's authority."""

    @property
    def tls_port(self) -> int:
        """0 for http alone."""
        return self.tls.port if self.tls else 0


class RegionController(pulumi.ComponentResource):
    """A region whose own `/MAAS/rpc/` answers and lists its event loops."""

    url: pulumi.Output[str]
    system_id: pulumi.Output[str]
    shared_secret: pulumi.Output[str]
    """What racks authenticate with; secret."""
    api_key: pulumi.Output[str]
    """The administrator's key; secret."""
    findings: pulumi.Output[str]
    """Errors that the region logged while it was last brought up or changed, one a line; "" for none."""

    def __init__(self, name: str, args: RegionControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        file = pulumi.Output.all(database=args.database.host, maas_url=args.load_balancer.maas_url).apply(
            lambda given: _regiond_conf(args, given["database"], given["maas_url"])
        )
        more = files(args.address, _units(args)[0])
        shown = shown_in_preview(more) | {
            args.packaging.regiond_conf: file.apply(lambda made: made.content),
            "effects": file.apply(lambda made: {each.path: effect_of(each) for each in (made, *more)}),
            "settings": args.load_balancer.url.apply(
                lambda url: settings_in_preview(_settings(args, api_url=url), in_files=IN_REGIOND_CONF)
            ),
        }
        super().__init__("maas:index:RegionController", name, shown, opts)
        applied = args.host.apply(
            f"{name}-apply",
            pulumi.Output.all(
                file=file,
                host=args.database.host,
                ca=args.ca_certificate,
                certificate=args.tls.certificate.certificate if args.tls else "",
                url=args.load_balancer.url,
            ).apply(
                lambda given: _bundle(
                    name,
                    args,
                    given["file"],
                    dataclasses.replace(
                        _settings(args, api_url=given["url"]),
                        database_host=given["host"],
                        ca_certificate=given["ca"],
                        tls_certificate=given["certificate"],
                    ),
                )
            ),
            parent=self,
            secrets={"database_password": args.database.password, **_role_secrets(args)},
            after=args.after,
        )
        self.serves: pulumi.Resource = applied.command
        """What others wait for; the component itself would stand for more."""
        self.url = applied.then(region_url(args.address, args.tls_port))
        self.system_id = applied.public("system_id")
        self.shared_secret = args.leader.shared_secret if args.leader else applied.secret("shared_secret")
        self.api_key = args.leader.api_key if args.leader else applied.secret("api_key")
        self.findings = applied.public("findings")
        self.register_outputs(
            {
                "findings": self.findings,
                "url": self.url,
                "system_id": self.system_id,
                "shared_secret": self.shared_secret,
                "api_key": self.api_key,
            }
        )


def _role_secrets(args: RegionControllerArgs) -> dict[str, pulumi.Output[str]]:
    if args.leader:
        return {"api_key": args.leader.api_key}
    key = {"tls_key": args.tls.certificate.key} if args.tls else {}
    return {"admin_password": args.admin_password, **key}


def _regiond_conf(args: RegionControllerArgs, database_host: str, maas_url: str) -> File:
    content = render(
        "regiond.conf",
        broadcast_address=args.address if args.facts.temporal else "",
        database_host=database_host,
        database=args.database.name,
        database_password=secret_marker("database_password"),
        database_port=args.database.port,
        role=args.database.role,
        maas_url=maas_url,
        workers=args.workers,
    )
    owner, path = args.packaging.owner, args.packaging.regiond_conf
    return File(path, content, owner, owner, 0o640, effect=Effect.RESTART, units=_units(args))


def _units(args: RegionControllerArgs) -> tuple[str, ...]:
    """Units that read regiond.conf, regiond's first (maas-facts §10)."""
    if args.packaging == SNAP:
        return (region_unit(args.packaging.name, args.maas_version),)
    return args.facts.region_units


def _settings(args: RegionControllerArgs, *, api_url: str) -> RegionSettings:
    """All but the database's address, which is in regiond.conf, and the certificates, which no preview knows."""
    needs = args.database.needs
    return RegionSettings(
        leader=args.leader is None,
        workers=args.workers,
        database_host="",
        database_port=args.database.port,
        database=args.database.name,
        role=args.database.role,
        admin_username=args.admin_username,
        admin_email=args.admin_email,
        api_urls=(api_url,),
        address=args.address,
        tls_port=args.tls_port,
        packaging=args.packaging.name,
        maas_version=args.maas_version,
        external=needs is not None,
        min_postgres=needs.version if needs else 0,
        connections=needs.connections if needs else 0,
        balancers=args.balancers,
        view_port=VIEW_PORT,
    )


def _bundle(name: str, args: RegionControllerArgs, regiond_conf: File, settings: RegionSettings) -> Bundle:
    return Bundle(
        host=args.host.name,
        component=name,
        settings=settings,
        packages=args.packaging.region_packages,
        files=(*files(args.address, _units(args)[0]), regiond_conf),
        units=(UNIT, _units(args)[0]),  # regiond starts the others itself (maas-facts §10)
        state_dirs=args.packaging.state_dirs,
    )
