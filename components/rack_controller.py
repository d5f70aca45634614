"""A rack controller (maas-facts §1.3, §3, §4)."""

from __future__ import annotations

from collections.abc import Sequence

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
        rackd_conf = args.api.maas_urls.apply(lambda urls: _rackd_conf(args, urls))
        packaging = PACKAGINGS[args.packaging]
        shown = {
            packaging.rackd_conf: rackd_conf.apply(lambda file: file.content),
            "effects": rackd_conf.apply(lambda file: {one.path: effect_of(one) for one in _files(args, file)}),
            "felt": rackd_conf.apply(lambda file: {file.path: file.felt}),
            "settings": args.api.urls.apply(lambda urls: settings_in_preview(_settings(args, urls))),
        }
        super().__init__("maas:index:RackController", name, shown, opts)
        self.host = args.host
        applied = args.host.apply(
            f"{name}-apply",
            pulumi.Output.all(urls=args.api.urls, rackd_conf=rackd_conf, ca=args.api.ca_certificate).apply(
                lambda given: Bundle(
                    host=args.host.name,
                    component=name,
                    settings=_settings(args, given["urls"], ca_certificate=given["ca"]),
                    packages=packaging.rack_packages,
                    files=_files(args, given["rackd_conf"]),
                    units=(_unit(args),),
                    state_dirs=packaging.state_dirs,
                )
            ),
            parent=self,
            secrets={"shared_secret": args.shared_secret, "api_key": args.api.key},
            after=args.after,
        )
        self.system_id = applied.public("system_id")
        self.register_outputs({"system_id": self.system_id})


def _settings(args: RackControllerArgs, urls: Sequence[str], *, ca_certificate: str = "") -> RackSettings:
    """A preview knows all but the certificate."""
    return RackSettings(
        api_urls=tuple(urls),
        packaging=args.packaging,
        maas_version=args.maas_version,
        ca_certificate=ca_certificate,
        bmc_subnets=args.bmc_subnets,
    )


def _rackd_conf(args: RackControllerArgs, urls: Sequence[str]) -> File:
    """Only the first URL is felt: from the others rackd learns nothing that a running rack doesn't know already.

    It joins a new region and leaves an old one by itself within seconds (maas-facts §0a row 4)."""
    packaging = PACKAGINGS[args.packaging]
    return File(
        packaging.rackd_conf,
        render("rackd.conf", urls=urls),
        "root",
        packaging.owner,
        0o640,
        effect=Effect.RESTART,
        units=(_unit(args),),
        felt=urls[0],
    )


def _files(args: RackControllerArgs, rackd_conf: File) -> tuple[File, ...]:
    packaging = PACKAGINGS[args.packaging]
    secret = secret_marker("shared_secret")
    restart = Effect.RESTART
    return (
        rackd_conf,
        File(packaging.secret, secret, packaging.owner, packaging.owner, 0o640, effect=restart, units=(_unit(args),)),
    )


def _unit(args: RackControllerArgs) -> str:
    """What runs rackd: a unit of its own, or the one of all the snap."""
    return UNIT if args.packaging == DEB.name else snap_unit(args.maas_version)
