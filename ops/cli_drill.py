"""`maas-ha drill`, at the terminal."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.finding import StackFileError
from ops.engine import EngineError

if TYPE_CHECKING:
    from rich.console import Console

    from ops.drill_report import Report

INTERRUPTED = 130


class Role(StrEnum):
    """What is to fail."""

    REGION = "region"
    BALANCER = "balancer"


class Fault(StrEnum):
    """How."""

    KILL = "kill"
    HANG = "hang"
    STOP = "stop"


def drill(
    stack: Annotated[str, typer.Argument(metavar="STACK", help="The stack, as in Pulumi.STACK.yaml.")],
    role: Annotated[Role, typer.Argument(help="What is to fail: regiond, or the HAProxy that clients reach.")],
    host: Annotated[str, typer.Argument(metavar="[HOST]", help="By default the one that serves this machine.")] = "",
    fault: Annotated[Fault, typer.Option(help="SIGKILL, SIGSTOP, or (balancer) systemctl stop.")] = Fault.KILL,
    seconds: Annotated[int, typer.Option(min=5, max=60, help="Time until it is undone.")] = 20,
    break_live_stack: Annotated[
        str, typer.Option(metavar="STACK", help="The stack's name again, instead of typing it when asked.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, on stdout.")] = False,
) -> None:
    """Make a region or balancer fail under load, and tell what clients felt. Exit code 1 if a limit is passed.

    25 requests a second go through the address that clients use, every fifth a write (a tag, deleted at the end).
    The host undoes the fault: when time is up, at Ctrl-C, and also if this machine dies.

    Example: maas-ha drill dev region --fault hang
    """
    from rich.console import Console

    from ops import drill as drills

    told = Console(stderr=True)
    try:
        prepared = drills.prepare(
            stack, Path.cwd(), role.value, host, fault.value, seconds, lambda text: told.print(text, highlight=False)
        )
        _require_name(stack, break_live_stack, f"{fault.value} of {host or f'the {role.value} that serves you'}")
        made = drills.run(stack, prepared)
    except (StackFileError, EngineError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: all is undone", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
    else:
        show(made, Console())
    raise typer.Exit(1 if made.passed else 0)


def _require_name(stack: str, given: str, what: str) -> None:
    """The stack's name, typed. Raises `EngineError` for anything else."""
    if not given and sys.stdin.isatty():
        given = str(typer.prompt(f"{what} on stack {stack}, while its clients work. Its name, to go on", err=True))
    if given != stack:
        raise EngineError(f"nothing was done: type the stack's name, or give --break-live-stack {stack}")


def show(report: Report, console: Console) -> None:
    """The figures as one table, then each second in which something failed or was slow, then the limits passed."""
    from rich.table import Table

    again = "never" if report.served_again_after is None else f"{report.served_again_after:.1f} s"
    verdict = "[red]limits passed[/red]" if report.passed else "[green]within limits[/green]"
    console.print(f"{report.fault} {report.role} on {report.host}: {verdict}", highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in (
        ("requests", f"{report.tried}, {report.failed} failed ({report.in_flight} in flight at the fault)"),
        ("served again after", again),
        ("slowest answer", f"{report.slowest:.1f} s"),
        ("writes acknowledged", f"{report.acknowledged}, {len(report.lost)} lost"),
        *((f"failed: {reason}", str(count)) for reason, count in report.reasons.items()),
    ):
        table.add_row(name, value)
    console.print(table, highlight=False)
    for second in report.timeline:
        if second.failed:
            bar = "█" * (second.tried - second.failed) + "[red]" + "█" * second.failed + "[/red]"
            console.print(f"{second.at:+4d} s {bar}", highlight=False)
    for limit in report.passed:
        console.print(limit, style="red", highlight=False, markup=False)
