"""`maas-ha drill`, at the terminal."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.finding import StackFileError
from ops.cli_error import fail
from ops.engine import EngineError

if TYPE_CHECKING:
    from rich.console import Console

    from ops.drill_report import Drill, Report

INTERRUPTED = 130


class Kind(StrEnum):
    """What is to fail."""

    REGION = "region"
    BALANCER = "balancer"
    DATABASE = "database"
    RACK = "rack"
    PARTITION = "partition"
    ALL = "all"


class Fault(StrEnum):
    """How."""

    KILL = "kill"
    HANG = "hang"
    OFF = "off"
    CUT = "cut"


def drill(
    stack: Annotated[str, typer.Argument(metavar="STACK", help="The stack, as in Pulumi.STACK.yaml.")],
    kind: Annotated[
        Kind,
        typer.Argument(
            help="What is to fail: regiond, HAProxy, the PostgreSQL that leads, rackd and dhcpd, the way of the leader"
            " and a region to all others; or one after the other."
        ),
    ],
    host: Annotated[str, typer.Argument(metavar="[HOST]", help="By default the one in use.")] = "",
    fault: Annotated[
        Fault | None,
        typer.Option(help="SIGKILL; SIGSTOP; SIGKILL, and it stays down; no way to the stack's other hosts."),
    ] = None,
    seconds: Annotated[int, typer.Option(min=20, max=120, help="Until a fault is undone, at most.")] = 45,
    break_live_stack: Annotated[
        str, typer.Option(metavar="STACK", help="The stack's name again, instead of typing it when asked.")
    ] = "",
    report: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write drill.json, drill.png and drill.html there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, on stdout.")] = False,
) -> None:
    """Make a part of MAAS fail under load, and tell what clients felt. Exit code 1 if a limit is exceeded.

    25 requests a second go through the address that clients use, every fifth a write (a tag, deleted at the end); DHCP
    clients renew leases. The host undoes the fault: when time is up, at Ctrl-C, and also if this machine dies.

    Examples:

    maas-ha drill dev region region2 --fault hang

    maas-ha drill ha database --fault cut

    maas-ha drill ha all --break-live-stack ha --report drills
    """
    from rich.console import Console

    from config import stack_file
    from ops import drill as drills
    from ops import drill_plan
    from ops.stack import read_outputs

    told = Console(stderr=True)
    try:
        cluster = stack_file.read(stack, Path.cwd())
        planned, skipped = drill_plan.planned(cluster, stack, kind.value, fault.value if fault else "", host)
        outputs = read_outputs(stack, Path.cwd())
        _require_name(stack, break_live_stack, ", ".join(map(str, planned)))
        session = drills.Session(
            stack, cluster, outputs, seconds, lambda text: told.print(text, highlight=False, markup=False)
        )
        made = drills.run(session, planned, skipped)
        if report:
            _write(made, report, told)
    except (StackFileError, EngineError) as error:
        fail(error)
    except KeyboardInterrupt:
        typer.echo("interrupted: all is undone", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
    else:
        show(made, Console())
    raise typer.Exit(1 if made.exceeded else 0)


def _require_name(stack: str, given: str, what: str) -> None:
    """The stack's name, typed. Raises `EngineError` for anything else."""
    if not given and sys.stdin.isatty():
        given = str(typer.prompt(f"{what} on stack {stack}, while its clients work. Its name, to go on", err=True))
    if given != stack:
        raise EngineError(f"nothing was done: type the stack's name, or give --break-live-stack {stack}")


def _write(report: Report, folder: Path, told: Console) -> None:
    """Raises `EngineError`."""
    from ops import drill_picture

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "drill.json").write_text(report.model_dump_json(indent=2) + "\n")
        image, page = drill_picture.write(report, folder / "drill")
    except OSError as error:
        raise EngineError(f"the report isn't written: {error}") from None
    told.print(f"written: {image}, {page}, {folder / 'drill.json'}", highlight=False, markup=False)


def show(report: Report, console: Console) -> None:
    """Each drill's figures, then, of several, a summary."""
    for drill in report.drills:
        _show(drill, console)
    for skipped in report.skipped:
        console.print(f"{skipped.kind}: left out, for {skipped.why}", highlight=False, markup=False)
    if len(report.drills) > 1:
        verdict = f"{len(report.exceeded)} limits exceeded" if report.exceeded else "all within limits"
        console.print(f"{len(report.drills)} drills: {verdict}", highlight=False)


def _show(drill: Drill, console: Console) -> None:
    """The figures as one table, then each second in which something failed, then the limits exceeded."""
    from rich.table import Table

    verdict = "[red]limits exceeded[/red]" if drill.exceeded else "[green]within limits[/green]"
    console.print(f"{drill.kind}: {drill.fault} of {', '.join(drill.hosts)}: {verdict}", highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _rows(drill):
        table.add_row(name, value)
    console.print(table, highlight=False)
    for second in drill.timeline:
        if second.failed:
            bar = "█" * (second.tried - second.failed) + "[red]" + "█" * second.failed + "[/red]"
            console.print(f"{second.at:+4d} s {bar}", highlight=False)
    for limit in drill.exceeded:
        console.print(limit, style="red", highlight=False, markup=False)


def _rows(drill: Drill) -> list[tuple[str, str]]:
    rows = []
    for name, found in (("reads", drill.reads), ("writes", drill.writes)):
        failed = f"{found.failed} failed ({found.in_flight} in flight at the fault)"
        text = f"{found.tried}, {failed}, slowest {found.slowest:.2f} s"
        rows += [(name, text), (f"{name} again after", _seconds(found.again_after))]
    rows.append(("writes acknowledged", f"{drill.acknowledged}, {len(drill.lost)} lost"))
    rows += [(f"failed: {reason}", str(count)) for reason, count in drill.reasons.items()]
    if dhcp := drill.dhcp:
        lost = f"{len(dhcp.lost)} leases lost, {len(dhcp.doubled)} doubled"
        rows.append((f"DHCP clients on {dhcp.host}", f"{dhcp.tried} asks, {dhcp.failed} late or failed; {lost}"))
    if power := drill.power:
        again = _seconds(power.again_after)
        rows.append((f"power of {power.machine}", f"{power.tried} queries, {power.failed} failed, again after {again}"))
    if minority := drill.minority:
        rows += [
            (f"writes on {name}, cut off", f"{tried}, {minority.accepted[name]} accepted")
            for name, tried in minority.tried.items()
        ]
    rows += [
        (seen.rack, ", ".join(f"{region} {count}" for region, count in seen.regions.items())) for seen in drill.racks
    ]
    return rows


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
