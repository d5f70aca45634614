"""`maas` of the snap: run modes beside what the command does everywhere (maas-facts §1.1)."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import cli_maas, cli_region, snap_config, snap_confinement, snap_init, snap_status
from .cli_process import reported
from .cli_profiles import FILE_NAME, Profiles
from .paths import Paths
from .snap_programs import current_mode

COMMANDS = ("init", "config", "status", "migrate")


def main(argv: Sequence[str]) -> int:
    """The command's entry point."""
    snap_confinement.confine()
    return reported(lambda: run(argv, Paths.here()))


def run(argv: Sequence[str], paths: Paths) -> int:
    """One command; its exit code.

    Raises:
        SystemExit: with 2, for unknown commands, modes and options.
        CommandError: what the command refuses.
    """
    if not argv or argv[0] not in COMMANDS:
        return cli_maas.run(argv, Profiles(Path.home() / FILE_NAME), paths, _as_root)
    if os.geteuid() != 0:
        print(f"The '{argv[0]}' command must be run by root.", file=sys.stderr)
        return 1
    options = _parser().parse_args(argv)
    match options.command:
        case "init":
            return snap_init.init(options, paths)
        case "config":
            return snap_config.configure(options, paths)
        case "status":
            return snap_status.status(paths)
        case _:
            return migrate(options, paths)


def migrate(options: argparse.Namespace, paths: Paths) -> int:
    """`dbupgrade` where there is a region. The snap's hook says `--configure`, and then no mode is no failure."""
    mode = current_mode(paths)
    if "region" in mode:
        return cli_region.dbupgrade(paths.regiond_conf)
    if options.configure:
        return 0
    print("MAAS is not configured" if mode == "none" else f"Mode '{mode}' has no database to migrate.")
    return 1


def _as_root(command: Callable[[], int]) -> int:
    """The snap has no user of its own: nothing but root."""
    if os.geteuid() != 0:
        print("This command may only be run by root.", file=sys.stderr)
        return 1
    return reported(command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maas", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    snap_init.add_options(commands.add_parser("init", help="Initialize this host.", allow_abbrev=False))
    snap_config.add_options(commands.add_parser("config", help="View or change settings.", allow_abbrev=False))
    commands.add_parser("status", help="Status of the controller's services.", allow_abbrev=False)
    migrating = commands.add_parser("migrate", help="Bring the database's schema up to date.", allow_abbrev=False)
    migrating.add_argument("--configure", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
