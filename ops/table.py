"""A status as a person reads it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ops.status import Status


def show(status: Status, console: Console) -> None:
    """Print `status` as one table, and what is wrong below it."""
    table = Table(title=f"MAAS at {status.api_url}", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "name", "system id", "version", "state"):
        table.add_column(heading, no_wrap=heading != "version", overflow="ellipsis")
    for region in status.regions:
        table.add_row("region", region.name, region.system_id, region.version, f"{region.event_loops} event loops")
    for rack in status.racks:
        table.add_row("rack", rack.name, rack.system_id, rack.version, f"rackd {rack.rackd}")
    for vlan in status.dhcp:
        racks = ", ".join(filter(None, (vlan.primary, vlan.secondary)))
        served = f"DHCP {'on' if vlan.dhcp_on else 'off'}: {racks or 'no rack'}"
        kind, number = ("VLAN", str(vlan.vlan)) if vlan.mode == "maas" else ("subnet", "")
        table.add_row(kind, vlan.subnet, number, "", served)
        for member, state in vlan.failover.items():
            table.add_row("", f"dhcpd on {member}", "", "", state)
    console.print(table)
    for problem in status.problems:
        console.print(f"[red]{problem}[/red]")
