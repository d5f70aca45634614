"""`maas-ha`: the operator's commands."""

# What a command needs beyond this is imported in it: `check` has to answer in half a second.

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from config import rules, stack_file
from config.finding import Finding, StackFileError
from ops import check as checks
from ops.cli_drill import drill
from ops.cli_error import fail
from ops.cli_new import new
from ops.engine import EngineError

app = typer.Typer(
    name="maas-ha",
    help="A highly available MAAS, from the operator's side. Run it in the project's folder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StackName = Annotated[str, typer.Argument(metavar="STACK", help="The stack, as in Pulumi.STACK.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable, on stdout.")]


app.command()(new)
app.command()(drill)


@app.command()
def check(stack: StackName, as_json: AsJson = False) -> None:
    """Check the stack file: every problem at once, without the engine and without a host. Exit code 1 if there is one.

    Example: maas-ha check production
    """
    findings: tuple[Finding, ...] = ()
    advice: list[Finding] = []
    try:
        advice = rules.advice(stack_file.read(stack, Path.cwd()).topology)
    except StackFileError as error:
        if not as_json:
            fail(error)
        findings = error.findings
    if as_json:
        typer.echo(checks.as_json(findings, advice))
    else:
        for found in advice:
            typer.echo(f"advice: {found}")
        typer.echo(f"Pulumi.{stack}.yaml can work")
    raise typer.Exit(1 if findings else 0)


class Format(StrEnum):
    """How a plan is printed."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"


@app.command()
def plan(
    stack: StackName,
    form: Annotated[Format, typer.Option("--format", help="markdown fits a comment on a pull request.")] = (
        Format.TERMINAL
    ),
    expect: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Fail where the plan isn't the one with this digest.")
    ] = None,
) -> None:
    """Show what `pulumi up` would do on each host, in order, and what is reloaded or restarted. No host is asked.

    Example: maas-ha plan production --format markdown
    """
    from rich.console import Console

    from ops import plan as plans
    from ops import plan_views as views

    try:
        stack_file.read(stack, Path.cwd())
        made = plans.read(stack, Path.cwd())
    except (StackFileError, EngineError) as error:
        fail(error)
    match form:
        case Format.TERMINAL:
            views.show(made, Console(soft_wrap=True))
        case Format.MARKDOWN:
            typer.echo(views.markdown(made), nl=False)
        case Format.JSON:
            typer.echo(made.model_dump_json(indent=2))
    if expect is not None and made.digest != expect:
        fail(EngineError(f"this plan is {made.digest}; reviewed was {expect}: review this one and give its digest"))


@app.command()
def status(
    stack: StackName,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show database, balancers, regions, racks, DHCP pairs and certificates. Exit code 1 if something is wrong.

    MAAS is asked, and every host, read-only and all at once; what doesn't answer within 20 s is named. With --watch
    --json each look is one line.

    Example: maas-ha status dev
    """
    from rich.console import Console

    from ops import status as statuses
    from ops.table import show

    console = Console()
    try:
        cluster, outputs, seen = statuses.first(stack, Path.cwd())
        while watch:
            if as_json:
                typer.echo(seen.model_dump_json())
            else:
                console.clear()
                show(seen, console)
            time.sleep(statuses.WATCH_SECONDS)
            seen = statuses.of(cluster, outputs)
    except (StackFileError, EngineError) as error:
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit from None
    if as_json:
        typer.echo(seen.model_dump_json(indent=2))
    else:
        show(seen, console)
    raise typer.Exit(1 if seen.problems else 0)


@app.command()
def racks(stack: StackName, as_json: AsJson = False) -> None:
    """List the racks: services, VLANs served, event loops that each is connected to. Exit code 1 if something is wrong.

    MAAS is asked, and each rack's host, read-only and all at once; a host that doesn't answer is named.

    Example: maas-ha racks production --json
    """
    from rich.console import Console

    from ops import racks as listing
    from ops.table import show_racks

    try:
        seen = listing.read(stack, Path.cwd())
    except (StackFileError, EngineError) as error:
        fail(error)
    if as_json:
        typer.echo(seen.model_dump_json(indent=2))
    else:
        show_racks(seen, Console())
    raise typer.Exit(1 if seen.problems else 0)


@app.command()
def verify(
    stack: StackName,
    repair: Annotated[
        str | None, typer.Option(metavar="HOST", help="First apply there again what the last update applied.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every host with what the last update left there. Exit code 0: the same, 1: it drifted, 2: no answer.

    Read-only but for --repair: each host's agent looks at files, owners, modes, units and its own service. Hosts are
    asked at once. With --repair only that host is: its transactions are run again, then it is compared.

    Example: maas-ha verify production
    """
    from ops import repair as repairing
    from ops import verify as verifying

    try:
        if repair is not None:
            repairing.repair(stack, Path.cwd(), repair, lambda line: typer.echo(line, err=True))
        seen = verifying.read(stack, Path.cwd(), *([repair] if repair is not None else []))
    except repairing.UnreachableError as error:
        fail(error, verifying.UNREACHABLE)
    except (StackFileError, EngineError) as error:
        fail(error)
    if as_json:
        typer.echo(seen.model_dump_json(indent=2))
    else:
        typer.echo("\n".join(seen.lines() or [seen.well]))
    raise typer.Exit(seen.code)


@app.command()
def forget(
    stack: StackName,
    host: Annotated[str, typer.Argument(metavar="HOST", help="Its name in the stack.")],
    delete_from_maas: Annotated[
        bool,
        typer.Option(
            "--delete-from-maas",
            help="Have MAAS forget its controllers too; refused while the host answers or MAAS sees it connected.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a host that is gone for good out of the state; nothing is done on any machine.

    With --delete-from-maas its VLANs go to their other rack or lose DHCP HA first, and MAAS forgets its controllers.
    Take it out of the stack file too, then run `pulumi up` (or `pulumi destroy`).

    Example: maas-ha forget production rack2 --delete-from-maas
    """
    from ops import forget as forgetting
    from ops import forget_in_maas

    done: list[str] = []
    try:
        if delete_from_maas:
            done = forget_in_maas.forget(stack, Path.cwd(), host)
        names = forgetting.forget(stack, Path.cwd(), host)
    except (StackFileError, EngineError) as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps({"forgotten": names, "in_maas": done}))
    else:
        typer.echo("\n".join([*done, f"{stack} no longer knows of {host}: {', '.join(names)}"]))


def main() -> None:
    """Entry point."""
    app()
