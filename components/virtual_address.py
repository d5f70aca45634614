"""An address that the hosts of several HaproxyFrontends share, held by one of them at a time (keepalived, VRRP)."""

from __future__ import annotations

import ipaddress

import pulumi

from agent.bundle import INTERFACE, Bundle, Effect, File, secret_marker
from agent.keepalived import CONF, UNIT, KeepalivedSettings
from components.args import Args
from components.haproxy_frontend import HaproxyFrontend
from components.host import Host
from components.render import render, shown_in_preview
from config.load_balancer import LOCAL_PORT
from config.urls import balanced_url

PACKAGES = ("keepalived",)

FIRST_PRIORITY = 250
"""A high one waits least (by a 256th of a second each) before it takes an address that nobody has."""

CHECK = (
    "sh",
    "-c",
    'said=$(keepalived -t -f "$1" 2>&1); code=$?; test -z "$said" && { test $code = 0 || test $code = 143; } && exit; '
    'echo "keepalived -t (exit $code): $said"; exit 1',
    "keepalived",
    "{staged}",
)
"""Valid is what keepalived says nothing of: 2.2.7, Debian 12's, ends its own test by SIGTERM where a script is used."""

RESTARTS = File(
    f"/etc/systemd/system/{UNIT}.d/maas-ha.conf",
    "# Written by maas-ha: a keepalived that was killed leaves the address on the host, the next one takes it off.\n"
    "[Service]\nRestart=always\nRestartSec=100ms\n",
)


class VirtualAddressArgs(Args):
    """One host's part in it."""

    host: Host
    address: str
    """The host's own in the network of the shared one."""
    peers: tuple[str, ...]
    """The other balancers' there."""
    place: int
    """0 for the balancer that is to have the address when all start at once."""
    last: bool
    """True on the balancer that is changed last."""
    virtual_address: str
    """IPv4 with the prefix of its network, as `198.51.100.40/24`."""
    router_id: int
    password: pulumi.Output[str]
    """Secret; VRRP takes 8 characters of it and sends them in the clear."""
    tls: bool
    """True if clients speak TLS."""
    frontend: HaproxyFrontend
    """HAProxy on this host, and with it every earlier balancer."""


class VirtualAddress(pulumi.ComponentResource):
    """The shared address, held by this host or by another one."""

    url: pulumi.Output[str]
    """Address that operators use, e.g. `https://198.51.100.40/MAAS`; http where MAAS has no TLS."""
    maas_url: pulumi.Output[str]
    """What MAAS itself is told of it: http, whatever TLS there is (maas-facts §8)."""

    def __init__(self, name: str, args: VirtualAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        files = (_keepalived_conf(args), RESTARTS)
        super().__init__("maas:index:VirtualAddress", name, shown_in_preview(files), opts)
        shared = str(ipaddress.IPv4Interface(args.virtual_address).ip)
        applied = args.host.apply(
            f"{name}-apply",
            Bundle(
                host=args.host.name,
                component=name,
                settings=KeepalivedSettings(args.address, shared, args.peers, args.last),
                packages=PACKAGES,
                files=files,
                units=(UNIT,),
            ),
            parent=self,
            secrets={"vrrp_password": args.password},
            after=[args.frontend],
        )
        self.url = applied.then(balanced_url(shared, tls=args.tls))
        self.maas_url = applied.then(balanced_url(shared))
        self.register_outputs({"url": self.url, "maas_url": self.maas_url})


Balancer = HaproxyFrontend | VirtualAddress
"""What clients reach MAAS by."""


def _keepalived_conf(args: VirtualAddressArgs) -> File:
    content = render(
        "keepalived.conf",
        port=LOCAL_PORT,
        interface=INTERFACE,
        router_id=args.router_id,
        priority=FIRST_PRIORITY - args.place,
        address=args.address,
        peers=args.peers,
        password=secret_marker("vrrp_password"),
        virtual_address=args.virtual_address,
    )
    return File(CONF, content, mode=0o600, check=CHECK, effect=Effect.RELOAD, units=(UNIT,))
