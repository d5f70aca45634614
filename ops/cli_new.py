"""`maas-ha new`: its options, questions and confirmations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.finding import StackFileError
from ops.cli_error import fail

if TYPE_CHECKING:
    from ops.new import Answers, HostKey

Name = Annotated[str, typer.Argument(metavar="STACK", help="Name of the new stack, such as lyon.")]
Version = Annotated[str | None, typer.Option("--maas", help="MAAS version: 3.4, 3.5, 3.6 or 3.7.")]
PackagingOption = Annotated[str, typer.Option("--packaging", help="deb or snap.")]
Email = Annotated[str | None, typer.Option(help="E-mail address of MAAS's administrator.")]
User = Annotated[str | None, typer.Option(help="Login on the hosts that may use sudo without a password.")]
DatabaseOption = Annotated[str | None, typer.Option("--database", metavar="NAME=ADDRESS", help="PostgreSQL's host.")]
Postgres = Annotated[int | None, typer.Option(help="Its major version; by default that of the MAAS version's Ubuntu.")]
Regions = Annotated[list[str] | None, typer.Option("--region", metavar="NAME=ADDRESS", help="Once for each region.")]
Racks = Annotated[list[str] | None, typer.Option("--rack", metavar="NAME=ADDRESS", help="Once for each rack.")]
Balancer = Annotated[str | None, typer.Option("--balancer", metavar="NAME=ADDRESS", help="HAProxy's host.")]
DhcpOption = Annotated[
    str | None,
    typer.Option("--dhcp", metavar="SUBNET,FIRST-LAST", help="DHCP by the first two racks, with its dynamic range."),
]
Accept = Annotated[bool, typer.Option("--accept-host-keys", help="Don't ask whether the fingerprints are right.")]


def new(
    stack: Name,
    maas: Version = None,
    packaging: PackagingOption = "deb",
    email: Email = None,
    user: User = None,
    database: DatabaseOption = None,
    postgres: Postgres = None,
    region: Regions = None,
    rack: Racks = None,
    balancer: Balancer = None,
    dhcp: DhcpOption = None,
    accept_host_keys: Accept = False,
) -> None:
    """Write a commented stack file from a few answers, and known_hosts with the key of each host.

    What isn't given as an option is asked for. Shows each host's fingerprint and asks whether it is right.

    Example: maas-ha new lyon --maas 3.6 --email ops@example.com --user deploy --database db1=198.51.100.11
    --region region1=198.51.100.21 --region region2=198.51.100.22 --rack rack1=198.51.100.31 --rack rack2=198.51.100.32
    --balancer lb1=198.51.100.41 --dhcp 198.51.100.0/24,198.51.100.100-198.51.100.199
    """
    import asyncio

    from ops.new import DISTRIBUTION_POSTGRES, Answers, NewStackError, free, named_host, scan, write
    from ops.new import dhcp as parsed_dhcp

    try:
        free(stack, Path.cwd())
    except NewStackError as error:
        fail(error)
    _require(
        {"--maas": maas, "--email": email, "--user": user, "--database": database}
        | {"--region": region, "--rack": rack, "--balancer": balancer}
    )
    version = maas or typer.prompt("MAAS version", default="3.6")
    try:
        answers = Answers(
            stack=stack,
            version=version,
            packaging=packaging,
            email=email or typer.prompt("E-mail address of the administrator"),
            user=user or typer.prompt("Login on the hosts", default="deploy"),
            database=named_host(database or typer.prompt("PostgreSQL's host (NAME=ADDRESS)")),
            postgres=postgres or DISTRIBUTION_POSTGRES.get(version, 16),
            regions=tuple(map(named_host, region or _several("Regions"))),
            racks=tuple(map(named_host, rack or _several("Racks"))),
            load_balancer=named_host(balancer or typer.prompt("HAProxy's host (NAME=ADDRESS)")),
            dhcp=parsed_dhcp(dhcp) if dhcp else None,
            known_hosts=f"known_hosts.{stack}",
        )
        keys = asyncio.run(scan(answers.hosts))
        _confirm(keys, accept_host_keys)
        path = write(answers, keys, Path.cwd())
    except (NewStackError, StackFileError) as error:
        fail(error)
    _tell(answers, path)


def _require(options: dict[str, object]) -> None:
    """Every option that is missing at once, where nobody can be asked."""
    missing = [name for name, value in options.items() if not value]
    if missing and not sys.stdin.isatty():
        typer.echo(f"error: nobody can be asked here; give {', '.join(missing)}", err=True)
        raise typer.Exit(1)


def _several(what: str) -> list[str]:
    return str(typer.prompt(f"{what} (NAME=ADDRESS, separated by spaces)")).split()


def _confirm(keys: list[HostKey], accepted: bool) -> None:
    for key in keys:
        typer.echo(f"{key.host.name:16} {key.host.address:20} {key.line.split()[0]} {key.fingerprint}")
    if accepted:
        return
    if not sys.stdin.isatty():
        typer.echo("error: compare the fingerprints, then run again with --accept-host-keys", err=True)
        raise typer.Exit(1)
    typer.confirm("Are these the fingerprints that the hosts' own consoles show (ssh-keygen -l)?", abort=True)


def _tell(answers: Answers, path: Path) -> None:
    typer.echo(f"wrote {path.name} and {answers.known_hosts}; next:")
    typer.echo(f"  pulumi stack init {answers.stack}")
    typer.echo(f"  pulumi preview --diff --stack {answers.stack}")
