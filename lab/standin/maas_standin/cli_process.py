"""What MAAS's root commands have in common (maas-facts §1.2)."""

import grp
import os
import sys
from collections.abc import Callable

MAAS_GROUP = "maas"


class CommandError(Exception):
    """A failure that a command reports in one line, with exit code 1."""


def run_as_root(command: Callable[[], int]) -> int:
    """Run `command` as root with group maas and umask 007; its exit code, or 1 and a line on stderr.

    What MAAS doesn't foresee comes out as Python's traceback and exit code 1, as there.
    """
    if os.geteuid() != 0:
        print("This command may only be run by root.", file=sys.stderr)
        return 1
    try:
        group = grp.getgrnam(MAAS_GROUP).gr_gid
    except KeyError:
        print(f"No such group: {MAAS_GROUP}", file=sys.stderr)
        return 1
    os.setegid(group)
    os.umask(0o007)
    return reported(command)


def reported(command: Callable[[], int]) -> int:
    """Run `command`; a CommandError becomes a line on stderr and exit code 1."""
    try:
        return command()
    except CommandError as error:
        print(f"CommandError: {error}", file=sys.stderr)
        return 1
