"""DHCP of one VLAN by two racks, run by MAAS as an ISC failover pair (maas-facts §5, §6)."""

from __future__ import annotations

import pulumi

from agent.bundle import Bundle, DhcpSettings
from components.args import Args
from components.rack_controller import RackController
from components.region_controller import Api


class DhcpFailoverPairArgs(Args):
    """The VLAN of one subnet and the two racks that serve it."""

    subnet: str
    """CIDR."""
    range_start: str
    range_end: str
    enabled: bool = True
    """False: DHCP is off, the range stays."""
    packaging: str = "deb"
    """Key of `agent.packaging.PACKAGINGS`."""
    primary: RackController
    secondary: RackController
    api: Api


class DhcpFailoverPair(pulumi.ComponentResource):
    """A VLAN whose two DHCP servers both call the pair normal.

    The commands are named after racks. Where racks change, those that stay or come are told first; the command of one
    that goes is deleted last and leaves alone what it finds in other hands.
    """

    vlan: pulumi.Output[str]
    """MAAS's id of the VLAN."""

    def __init__(self, name: str, args: DhcpFailoverPairArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        shown: dict[str, object] = {"subnet": args.subnet, "range": f"{args.range_start} to {args.range_end}"}
        shown |= {"primary": args.primary.host.name, "secondary": args.secondary.host.name}
        if not args.enabled:
            shown["enabled"] = "false"
        shown["settings"] = {"api_urls": " ".join(args.api.urls), "packaging": args.packaging}
        super().__init__("maas:index:DhcpFailoverPair", name, shown, opts)
        secrets = {"api_key": args.api.key}
        configured = args.primary.host.apply(
            f"{name}-{args.primary.host.name}",
            _bundle(name, args, args.primary, configures=True),
            parent=self,
            secrets=secrets,
        )
        args.secondary.host.apply(
            f"{name}-{args.secondary.host.name}",
            _bundle(name, args, args.secondary, configures=False, follows=configured.command.id),
            parent=self,
            secrets=secrets,
        )
        self.vlan = configured.public("vlan")
        self.register_outputs({"vlan": self.vlan})


def _bundle(
    name: str,
    args: DhcpFailoverPairArgs,
    rack: RackController,
    *,
    configures: bool,
    follows: pulumi.Input[str] = "",
) -> pulumi.Output[Bundle]:
    """What the agent on `rack` does: the primary takes the VLAN, the secondary joins it, and both are normal."""
    return pulumi.Output.all(
        follows=follows,
        ca=args.api.ca_certificate,
        primary=args.primary.system_id,
        secondary=args.secondary.system_id,
    ).apply(
        lambda given: Bundle(
            host=rack.host.name,
            component=name,
            settings=DhcpSettings(
                api_urls=args.api.urls,
                subnet=args.subnet,
                range_start=args.range_start,
                range_end=args.range_end,
                primary=given["primary"],
                secondary=given["secondary"],
                configures=configures,
                follows=given["follows"],
                enabled=args.enabled,
                packaging=args.packaging,
                ca_certificate=given["ca"],
            ),
        )
    )
