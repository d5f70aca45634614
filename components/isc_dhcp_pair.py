"""DHCP of one subnet by a stand-alone ISC failover pair, on two hosts that are no racks.

How it starts: dhcpd answers no client before it has met its partner (state `recover`). So the primary's command is done
once its dhcpd waits for the partner, and the secondary's once both call the pair normal; a dead host ends the update
with its name, and the other one waits without harm. Later changes go the same way, and the primary's command also waits
until the pair is normal again, so that the two are never down at once.
"""

from __future__ import annotations

import ipaddress

import pulumi

from agent.bundle import INTERFACE, Bundle, Effect, File, IscDhcpSettings
from agent.failover import PORT
from agent.isc_dhcpd import CONF, DEFAULTS, UNIT
from components.args import Args
from components.host import Host
from components.region_controller import Api
from components.render import render, shown_in_preview

PACKAGES = ("isc-dhcp-server",)


class Member(Args):
    """One side of the pair."""

    host: Host
    address: str
    """In the subnet."""


class IscDhcpPairArgs(Args):
    """A subnet and the two hosts that serve it."""

    subnet: str
    """CIDR."""
    range_start: str
    range_end: str
    routers: tuple[str, ...]
    dns_servers: tuple[str, ...]
    next_server: str
    """Where machines boot from: a rack's address, or ""."""
    primary: Member
    secondary: Member
    api: Api
    """MAAS, whose clock both are compared with."""


class IscDhcpPair(pulumi.ComponentResource):
    """A subnet whose two DHCP servers both call the pair normal."""

    peer: pulumi.Output[str]
    """Name of the failover peer, known once both are normal."""

    def __init__(self, name: str, args: IscDhcpPairArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        sides = {"primary": args.primary, "secondary": args.secondary}
        files = {role: _files(name, args, role) for role in sides}
        shown = {role: {"host": sides[role].host.name, **shown_in_preview(files[role])} for role in sides}
        shown["settings"] = {"clock_url": args.api.urls[0]}
        super().__init__("maas:index:IscDhcpPair", name, shown, opts)
        done = [args.api.serves]
        for role, side in sides.items():
            applied = side.host.apply(
                f"{name}-{side.host.name}",
                _bundle(name, args, role, files[role]),
                parent=self,
                secrets={},
                after=done,
            )
            done = [applied.command]
        self.peer = applied.then(name)
        self.register_outputs({"peer": self.peer})


def _bundle(name: str, args: IscDhcpPairArgs, role: str, files: tuple[File, ...]) -> pulumi.Output[Bundle]:
    own, partner = _sides(args, role)
    return args.api.ca_certificate.apply(
        lambda certificate: Bundle(
            host=own.host.name,
            component=name,
            settings=IscDhcpSettings(
                peer=name,
                address=own.address,
                partner=partner.address,
                waits=role == "secondary",
                clock_url=args.api.urls[0],
                ca_certificate=certificate,
            ),
            packages=PACKAGES,
            files=files,
            units=(UNIT,),
        )
    )


def _files(name: str, args: IscDhcpPairArgs, role: str) -> tuple[File, ...]:
    own, partner = _sides(args, role)
    conf = render(
        "dhcpd.conf",
        role=role,
        peer=name,
        address=own.address,
        partner=partner.address,
        port=PORT,
        subnet=ipaddress.IPv4Network(args.subnet),
        routers=args.routers,
        dns_servers=args.dns_servers,
        next_server=args.next_server,
        start=args.range_start,
        end=args.range_end,
    )
    defaults = render("isc-dhcp-server", address=own.address, interface=INTERFACE)
    check = ("dhcpd", "-t", "-4", "-cf", "{staged}")
    return (
        File(CONF, conf, check=check, effect=Effect.RESTART, units=(UNIT,)),
        File(DEFAULTS, defaults, effect=Effect.RESTART, units=(UNIT,)),
    )


def _sides(args: IscDhcpPairArgs, role: str) -> tuple[Member, Member]:
    return (args.primary, args.secondary) if role == "primary" else (args.secondary, args.primary)
