"""A status as a person reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from ops.racks import RackReport, Racks
from ops.status import Status


def show(status: Status, console: Console) -> None:
    """Print `status` as one table, and what is wrong below it."""
    table = Table(title=f"MAAS at {status.api_url}", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "name", "system id", "version", "state"):
        table.add_column(heading, no_wrap=heading != "version", overflow="ellipsis")
    for database in status.databases:
        lag = "" if database.lag_bytes is None else f"{database.lag_bytes} bytes behind, "
        used = "no answer" if database.connections is None else f"{database.connections} of {database.allowed}"
        etcd = f", etcd {database.etcd}" if database.etcd else ""
        table.add_row("database", database.host, "", "", f"{database.role}, {lag}{used} connections{etcd}")
    for balancer in status.balancers:
        held = "shared address, " if balancer.holds else ""
        table.add_row("balancer", balancer.host, "", "", f"{held}{_joined(balancer.regions)}")
    for region in status.regions:
        table.add_row("region", region.name, region.system_id, region.version, f"{region.event_loops} event loops")
    for rack in status.racks:
        connected = f": {_joined(rack.regions)}" if rack.regions else ""
        table.add_row("rack", rack.name, rack.system_id, rack.version, f"rackd {rack.rackd}{connected}")
    for vlan in status.dhcp:
        racks = ", ".join(filter(None, (vlan.primary, vlan.secondary)))
        served = f"DHCP {'on' if vlan.dhcp_on else 'off'}: {racks or 'no rack'}"
        kind, number = ("VLAN", str(vlan.vlan)) if vlan.mode == "maas" else ("subnet", "")
        table.add_row(kind, vlan.subnet, number, "", served)
        for member, state in vlan.failover.items():
            table.add_row("", f"dhcpd on {member}", "", "", state)
    by_end: dict[str, list[str]] = {}
    for certificate in status.certificates:
        end = f"{certificate.days} days left, until {certificate.expires:%Y-%m-%d}"
        by_end.setdefault(end, []).append(certificate.name)
    for end, names in by_end.items():
        table.add_row("certificate", ", ".join(names), "", "", end)
    console.print(table)
    for problem in status.problems:
        console.print(problem, style="red", highlight=False, markup=False)


def _joined(by_name: Mapping[str, str]) -> str:
    """`region1 UP, region2 UP`."""
    return ", ".join(f"{name} {state}" for name, state in by_name.items())


def show_racks(racks: Racks, console: Console) -> None:
    """Print the racks as one table of at most 100 columns, and what is wrong below it."""
    table = Table(title=f"Racks of MAAS at {racks.api_url}", title_justify="left", box=None, pad_edge=False)
    for heading, width in (("name", 16), ("system id", 9), ("version", 8), ("services", 26), ("VLANs", 19)):
        table.add_column(heading, max_width=width, overflow="fold")
    table.add_column("event loops", max_width=15, overflow="fold")
    for rack in racks.racks:
        vlans = [f"{', '.join(vlan.subnets)} {vlan.role}{'' if vlan.dhcp_on else ' (off)'}" for vlan in rack.vlans]
        table.add_row(
            rack.name,
            rack.system_id,
            rack.version,
            _by_status(rack),
            "\n".join(vlans) or "none",
            _connections(rack, racks.event_loops),
        )
    console.print(table)
    for problem in racks.problems:
        console.print(problem, style="red", highlight=False, markup=False)


def _by_status(rack: RackReport) -> str:
    """`running: rackd, tftp …`, a line a status."""
    by_status: dict[str, list[str]] = {}
    for name, status in sorted(rack.services.items()):
        by_status.setdefault(status.partition(" ")[0], []).append(name)
    return "\n".join(f"{status}: {', '.join(names)}" for status, names in by_status.items())


def _connections(rack: RackReport, event_loops: list[str]) -> str:
    """`region1 2/2`, a line a region."""
    if rack.event_loops is None:
        return "not known"
    wanted, has = (Counter(loop.partition(":")[0] for loop in loops) for loops in (event_loops, rack.event_loops))
    return "\n".join(f"{region} {has[region]}/{wanted[region]}" for region in sorted({*wanted, *has})) or "none"
