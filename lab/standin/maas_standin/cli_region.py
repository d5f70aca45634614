"""`maas-region`: the region's administration on its own host, as root (maas-facts §1.2)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import cli_local_config, cli_named, cli_users, db
from .cli_process import MAAS_GROUP, CommandError, run_as_root
from .config import read_region
from .paths import Paths


def main(argv: Sequence[str]) -> int:
    """The command's entry point."""
    return run_as_root(lambda: run(argv, Paths()))


def run(argv: Sequence[str], paths: Paths, group: str = MAAS_GROUP) -> int:
    """One command on the files of `paths`; its exit code.

    Raises:
        SystemExit: with 2, for an unknown command or option.
        CommandError: what the command refuses.
    """
    options = _parser().parse_args(argv)
    path = paths.regiond_conf
    match options.command:
        case "local_config_set":
            return cli_local_config.local_config_set(options, path, group)
        case "local_config_get":
            return cli_local_config.local_config_get(options, path)
        case "local_config_reset":
            return cli_local_config.local_config_reset(options, path, group)
        case "dbupgrade":
            return dbupgrade(path)
        case "createadmin":
            return cli_users.createadmin(options, path)
        case "apikey":
            return cli_users.apikey(options, path)
        case _:
            return cli_named.edit_named_options(options.config_path)


def dbupgrade(path: Path) -> int:
    """Bring the schema up to date, without any lock around it (maas-facts §0a row 1.2).

    Raises:
        CommandError: the server is too old.
        psycopg2.Error: no connection, no right, or someone else migrates at the same time.
    """
    try:
        applied = db.migrate(read_region(path))
    except db.UnsupportedServer as error:
        raise CommandError(str(error)) from None
    print("Running migrations:")
    for migration in applied:
        print(f"  Applying {migration}... OK")
    if not applied:
        print("  No migrations to apply.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maas-region", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)

    cli_local_config.add_set_options(command("local_config_set", "Set keys of regiond.conf."))
    cli_local_config.add_get_options(command("local_config_get", "Print keys of regiond.conf."))
    cli_local_config.add_reset_options(command("local_config_reset", "Give keys of regiond.conf their default."))
    command("dbupgrade", "Bring the database's schema up to date.")
    cli_users.add_createadmin_options(command("createadmin", "Create an administrator."))
    cli_users.add_apikey_options(command("apikey", "Print or make a user's API keys."))
    named = command("edit_named_options", "Make BIND read MAAS's options.")
    named.add_argument("--config-path", type=Path, default=Path("/etc/bind/named.conf.options"))
    return parser
