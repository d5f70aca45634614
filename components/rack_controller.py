"""A rack controller (maas-facts §1.3, §3, §4)."""

from __future__ import annotations

import pulumi

from agent.bundle import Bundle, Effect, File, RackSettings, secret_marker
from components.args import Args
from components.host import Host
from components.region_controller import Api
from components.render import effect_of, render

PACKAGES = ("maas-rack-controller",)

UNIT = "maas-rackd.service"

RACKD_CONF = "/etc/maas/rackd.conf"

SECRET = "/var/lib/maas/secret"  # noqa: S105  a path

STATE_DIRS = ("/etc/maas", "/var/lib/maas", "/var/log/maas")

STARTS_ONLY_WITH_SECRET = File(
    f"/etc/systemd/system/{UNIT}.d/maas-ha.conf",
    f"# Written by maas-ha: without its secret rackd waits, and after five minutes runs without services.\n"
    f"[Unit]\nConditionPathExists={SECRET}\n",
)
"""Belongs on the host before the package, which starts rackd at once (maas-facts §0a row 3, §10)."""


class RackControllerArgs(Args):
    """One rack controller."""

    host: Host
    api: Api
    """The balanced address comes first: up to 3.8 the agent of a rack uses no other (maas-facts §4.8)."""
    shared_secret: pulumi.Output[str]
    after: RackController | None
    """The rack that must be serving before this one is touched: the other half of a DHCP pair."""


class RackController(pulumi.ComponentResource):
    """A rack that MAAS calls running: connected to every event loop of every region."""

    system_id: pulumi.Output[str]
    """As MAAS has it now: a rack that was deleted and comes back has another (maas-facts §4.5)."""

    def __init__(self, name: str, args: RackControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        rackd_conf = args.api.maas_urls.apply(lambda urls: render("rackd.conf", urls=urls))
        shown = {
            RACKD_CONF: rackd_conf,
            "effects": rackd_conf.apply(lambda text: {file.path: effect_of(file) for file in _files(text)}),
        }
        super().__init__("maas:index:RackController", name, shown, opts)
        self.host = args.host
        applied = args.host.apply(
            f"{name}-apply",
            pulumi.Output.all(urls=args.api.urls, rackd_conf=rackd_conf, ca=args.api.ca_certificate).apply(
                lambda given: Bundle(
                    host=args.host.name,
                    component=name,
                    settings=RackSettings(api_urls=tuple(given["urls"]), ca_certificate=given["ca"]),
                    packages=PACKAGES,
                    files=_files(given["rackd_conf"]),
                    units=(UNIT,),
                    state_dirs=STATE_DIRS,
                )
            ),
            parent=self,
            secrets={"shared_secret": args.shared_secret, "api_key": args.api.key},
            after=[args.after] if args.after else [],
        )
        self.system_id = applied.public("system_id")
        self.register_outputs({"system_id": self.system_id})


def _files(rackd_conf: str) -> tuple[File, ...]:
    restart = Effect.RESTART
    return (
        File(RACKD_CONF, rackd_conf, "root", "maas", 0o640, effect=restart, units=(UNIT,)),
        File(SECRET, secret_marker("shared_secret"), "maas", "maas", 0o640, effect=restart, units=(UNIT,)),
    )
