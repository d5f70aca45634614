"""The `lab` command: real hosts on this machine."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lab.cluster import HostStatus, Lab
from lab.errors import LabError
from lab.files import write_atomic
from lab.inventory import DEFAULT_MAAS, DEFAULT_NAME, parse_hosts, parse_network
from lab.machine import require_root

app = typer.Typer(
    name="lab",
    help="Real Debian hosts on this machine, on a bridge of their own, with packages from a repository of their own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[
    str, typer.Option("--name", help="Which lab; each has its own folder .lab/NAME, bridge and addresses.")
]
HostName = Annotated[str, typer.Argument(metavar="HOST", help="A host of the lab, e.g. region1.")]
Command = Annotated[list[str], typer.Argument(metavar="CMD", help="The command and its arguments, after --.")]
OptionalCommand = Annotated[list[str] | None, typer.Argument(metavar="CMD", help="A command instead, after --.")]

_STATE_COLOURS = {"running": "green", "off": "red"}


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    network: Annotated[
        str | None, typer.Option(metavar="CIDR", help="A /24 for the hosts instead of the lab's own.")
    ] = None,
    hosts: Annotated[
        str | None, typer.Option(metavar="NAME:OCTET,...", help="Hosts and the last octets of their addresses.")
    ] = None,
    maas: Annotated[
        str | None, typer.Option(metavar="VERSION", help=f"MAAS version of the stand-in; {DEFAULT_MAAS} unless told.")
    ] = None,
) -> None:
    """Bring the lab up, or repair what is missing of it: six hosts, or ten for the name "ha".

    Example: lab up --name two --network 198.18.1.0/24 --hosts db1:11,region1:21,region2:22,region3:23
    """
    Lab(name).up(
        parse_network(network) if network is not None else None,
        parse_hosts(hosts) if hosts is not None else None,
        maas,
    )


@app.command()
def down(name: Name = DEFAULT_NAME) -> None:
    """End the lab's hosts and remove all of it. The cached base image and packages stay.

    Example: lab down --name two
    """
    Lab(name).down()


@app.command()
def status(
    name: Name = DEFAULT_NAME,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, on stdout.")] = False,
) -> None:
    """Show the lab's hosts, their addresses and states.

    Example: lab status --json
    """
    require_root()
    lab = Lab(name)
    found = lab.status()
    if as_json:
        typer.echo(json.dumps(_described(lab, found), indent=2))
        return
    table = Table(
        "host", "address", "state", title=f"lab {name}, MAAS {lab.inventory.shape.maas}", title_justify="left"
    )
    for host in found:
        colour = _STATE_COLOURS.get(host.state, "yellow")
        table.add_row(host.name, host.address, f"[{colour}]{host.state}[/]")
    Console().print(table)


@app.command()
def ssh(host: HostName, command: OptionalCommand = None, name: Name = DEFAULT_NAME) -> None:
    """Log in to a host as the deploy user, which may use sudo; or run a command as that user.

    Example: lab ssh region1 -- sudo systemctl status ssh
    """
    argv = Lab(name).ssh_argv(host, *(command or ()))
    os.execvp(argv[0], argv)  # noqa: S606


@app.command("exec")
def exec_(host: HostName, command: Command, name: Name = DEFAULT_NAME) -> None:
    """Run a command as root in a host; its input, output and exit code are the command's.

    Example: lab exec db1 -- systemctl is-active ssh
    """
    require_root()
    argv = Lab(name).host(host).exec_argv(command)
    os.execvp(argv[0], argv)  # noqa: S606


@app.command()
def env(name: Name = DEFAULT_NAME) -> None:
    """Print the shell lines that put the lab's deploy key within ssh's reach.

    Example: eval "$(lab env)"
    """
    lab = Lab(name)
    _ = lab.inventory  # there is such a lab
    for key, value in lab.environment().items():
        typer.echo(f"export {key}='{value}'")


@app.command()
def reset(host: HostName, name: Name = DEFAULT_NAME) -> None:
    """Put a host back to the pristine base and boot it. It keeps its SSH host key; `lab down`, `lab up` make new ones.

    Example: lab reset region2
    """
    Lab(name).reset(host)


@app.command()
def poweroff(host: HostName, name: Name = DEFAULT_NAME) -> None:
    """Cut a host's power: all its processes end at once, its disk stays.

    Example: lab poweroff region1
    """
    Lab(name).poweroff(host)


@app.command()
def poweron(host: HostName, name: Name = DEFAULT_NAME) -> None:
    """Boot a host that is off, with its disk as it was.

    Example: lab poweron region1
    """
    Lab(name).poweron(host)


@app.command()
def reboot(host: HostName, name: Name = DEFAULT_NAME) -> None:
    """Reboot a host in good order.

    Example: lab reboot db1
    """
    Lab(name).reboot(host)


@app.command()
def snapshot(
    host: HostName,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the manifest goes.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Write a sorted manifest of a host's files: path, type, mode, owner, size, digest; to compare before and after.

    Example: lab snapshot db1 --out before.txt
    """
    require_root()
    write_atomic(out, "".join(f"{line}\n" for line in Lab(name).snapshot(host)))


def _described(lab: Lab, hosts: list[HostStatus]) -> dict[str, object]:
    shape = lab.inventory.shape
    return {
        "name": lab.place.name,
        "network": str(shape.network),
        "bridge": lab.place.bridge,
        "gateway": str(shape.gateway),
        "maas": shape.maas,
        "known_hosts": str(lab.known_hosts),
        "ssh_auth_sock": str(lab.place.agent_socket),
        "hosts": [asdict(host) for host in hosts],
    }


def main() -> None:
    """Entry point: every foreseeable problem is one line on stderr and exit code 1."""
    try:
        app()
    except LabError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail(f"the disk is full: {error.filename or 'no space left'}; free some, then try again")
    except KeyboardInterrupt:
        _fail("interrupted; `lab down` removes what was made, `lab up` goes on", 130)
    except subprocess.CalledProcessError as error:
        _fail(f"{error.cmd[0]} ended with {error.returncode}: {str(error.stderr or '').strip()[-300:]}")


def _fail(text: str, code: int = 1) -> None:
    typer.echo(f"lab: {text}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
