"""A rack controller (maas-facts §1.3, §3, §4)."""

from __future__ import annotations

import pulumi

from agent.bundle import Bundle, Effect, File, RackSettings, secret_marker
from agent.packaging import DEB, PACKAGINGS, snap_unit
from components.args import Args
from components.host import Host
from components.region_controller import Api
from components.render import effect_of, render, settings_in_preview

UNIT = "maas-rackd.service"

STARTS_ONLY_WITH_SECRET = File(
    f"/etc/systemd/system/{UNIT}.d/maas-ha.conf",
    f"# Written by maas-ha: without its secret rackd waits, and after five minutes runs without services.\n"
    f"[Unit]\nConditionPathExists={DEB.secret}\n",
)
"""Belongs on the host before the package, which starts rackd at once (maas-facts §0a row 3, §10).

The snap needs no such guard: nothing of it runs before its `init`."""


class RackControllerArgs(Args):
    """One rack controller."""

    host: Host
    api: Api
    """The balanced address comes first: up to 3.8 the agent of a rack uses no other (maas-facts §4.8)."""
    shared_secret: pulumi.Output[str]
    after: tuple[RackController, ...]
    """Racks that must be serving before this one is touched: the other halves of its DHCP pairs."""
    packaging: str = "deb"
    """Key of `agent.packaging.PACKAGINGS`."""
    maas_version: str = "3.4"
    """`MAJOR.MINOR`."""
    bmc_subnets: tuple[str, ...] = ()
    """CIDRs of the BMC networks that this rack is to reach."""


class RackController(pulumi.ComponentResource):
    """A rack that MAAS calls running: connected to every event loop of every region."""

    system_id: pulumi.Output[str]
    """As MAAS has it now: a rack that was deleted and comes back has another (maas-facts §4.5)."""

    def __init__(self, name: str, args: RackControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        packaging = PACKAGINGS[args.packaging]
        rackd_conf = _rackd_conf(args)
        files = (rackd_conf, _secret(args))
        shown = {
            rackd_conf.path: rackd_conf.content,
            "effects": {file.path: effect_of(file) for file in files},
            "felt": {rackd_conf.path: rackd_conf.felt},
            "settings": settings_in_preview(_settings(args)),
        }
        super().__init__("maas:index:RackController", name, shown, opts)
        self.host = args.host
        applied = args.host.apply(
            f"{name}-apply",
            args.api.ca_certificate.apply(
                lambda certificate: Bundle(
                    host=args.host.name,
                    component=name,
                    settings=_settings(args, ca_certificate=certificate),
                    packages=packaging.rack_packages,
                    files=files,
                    units=(_unit(args),),
                    state_dirs=packaging.state_dirs,
                )
            ),
            parent=self,
            secrets={"shared_secret": args.shared_secret, "api_key": args.api.key},
            after=(args.api.serves, *args.after),
        )
        self.system_id = applied.public("system_id")
        self.register_outputs({"system_id": self.system_id})


def _settings(args: RackControllerArgs, *, ca_certificate: str = "") -> RackSettings:
    """A preview knows all but the certificate."""
    return RackSettings(
        api_urls=args.api.urls,
        packaging=args.packaging,
        maas_version=args.maas_version,
        ca_certificate=ca_certificate,
        bmc_subnets=args.bmc_subnets,
    )


def _rackd_conf(args: RackControllerArgs) -> File:
    """Only the first URL is felt: from the others rackd learns nothing that a running rack doesn't know already.

    It joins a new region and leaves an old one by itself within seconds (maas-facts §0a row 4)."""
    packaging = PACKAGINGS[args.packaging]
    return File(
        packaging.rackd_conf,
        render("rackd.conf", urls=args.api.maas_urls),
        "root",
        packaging.owner,
        0o640,
        effect=Effect.RESTART,
        units=(_unit(args),),
        felt=args.api.maas_urls[0],
    )


def _secret(args: RackControllerArgs) -> File:
    packaging = PACKAGINGS[args.packaging]
    secret = secret_marker("shared_secret")
    restart = Effect.RESTART
    return File(packaging.secret, secret, packaging.owner, packaging.owner, 0o640, effect=restart, units=(_unit(args),))


def _unit(args: RackControllerArgs) -> str:
    """What runs rackd: a unit of its own, or the one of all the snap."""
    return UNIT if args.packaging == DEB.name else snap_unit(args.maas_version)
