"""`createadmin` and `apikey`, of `maas-region` and of `maas` (maas-facts §1.5)."""

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from . import db
from .cli_process import CommandError
from .config import read_region

APPLICATION_NAME = "maas-region"


def add_createadmin_options(parser: argparse.ArgumentParser, prefix: str = "") -> None:
    """The options of `createadmin`; `maas init` has the same ones under another name."""
    for name in ("username", "password", "email", "ssh-import"):
        parser.add_argument(f"--{prefix}{name}", dest=name.replace("-", "_"))


def add_apikey_options(parser: argparse.ArgumentParser) -> None:
    """The options of `apikey`."""
    parser.add_argument("--username")
    parser.add_argument("--generate", action="store_true", help="make one more key")


def createadmin(options: argparse.Namespace, path: Path) -> int:
    """Create an administrator; prompts for whatever is missing, for ever at the end of the input.

    Keys of `--ssh-import` are taken and forgotten: the stand-in has no machines to put them on.
    """
    asked = None in (options.username, options.password, options.email)
    username = options.username if options.username is not None else _ask(input, "Username: ")
    password = options.password if options.password is not None else _ask_password()
    email = options.email if options.email is not None else _ask(input, "Email: ")
    if asked and options.ssh_import is None:
        # Not in the facts, but a caller that feeds the prompts must be ready for one after the last that it expects.
        _ask(input, "Import SSH keys [] (lp:user-id or gh:user-id): ")
    connection = db.connect(read_region(path), APPLICATION_NAME)
    try:
        db.create_admin(connection, username, password, email)
    except db.AlreadyExistingUser as error:
        print(f"AlreadyExistingUser: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    return 0


def apikey(options: argparse.Namespace, path: Path) -> int:
    """Print the user's keys, one a line; with `--generate` one new key each time.

    Raises:
        CommandError: no such user.
    """
    if options.username is None:
        raise CommandError("You must provide a username with --username.")
    connection = db.connect(read_region(path), APPLICATION_NAME)
    try:
        if options.generate:
            keys = [db.generate_api_key(connection, options.username)]
        else:
            keys = db.api_keys(connection, options.username)
    except db.UnknownUser:
        raise CommandError("User does not exist.") from None
    finally:
        connection.close()
    print("\n".join(keys))
    return 0


def _ask(read: Callable[[str], str], prompt: str) -> str:
    """Ask until there is an answer: at the end of the input that is never (maas-facts §0a row 1.5, §1.1)."""
    while True:
        try:
            return read(prompt)
        except EOFError:
            print()


def _ask_password() -> str:
    """Ask twice; without a controlling terminal getpass takes both from stdin."""
    while True:
        password = _ask(getpass.getpass, "Password: ")
        if password == _ask(getpass.getpass, "Again: "):
            return password
        print("Passwords do not match, please try again.")
