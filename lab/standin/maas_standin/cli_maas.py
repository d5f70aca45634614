"""`maas`: profiles, the API's operations, and of the region `createadmin`, `apikey`, `config-tls` (maas-facts §1.5)."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import cli_api, cli_tls, cli_users, version
from .cli_process import CommandError, reported, run_as_root
from .cli_profiles import FILE_NAME, Profile, Profiles
from .paths import Paths

API_FAILURE = 2
"""Exit code of an API call that fails, and of argparse (maas-facts §1.5)."""


def main(argv: Sequence[str]) -> int:
    """The command's entry point."""
    return reported(lambda: run(argv, Profiles(Path.home() / FILE_NAME), Paths()))


def run(
    argv: Sequence[str],
    profiles: Profiles,
    paths: Paths,
    as_root: Callable[[Callable[[], int]], int] = run_as_root,
) -> int:
    """One command; its exit code.

    Raises:
        SystemExit: with 2, for unknown commands, options and profiles.
        CommandError: what the command refuses.
    """
    profile = profiles.get(argv[0]) if argv and not argv[0].startswith("-") else None
    options = _parser(profile).parse_args(argv)
    match options.command:
        case "login":
            return login(options, profiles)
        case "logout":
            return logout(options.name, profiles)
        case "list":
            return list_profiles(profiles)
        case "createadmin" | "init":
            return as_root(lambda: cli_users.createadmin(options, paths.regiond_conf))
        case "apikey":
            return as_root(lambda: cli_users.apikey(options, paths.regiond_conf))
        case "config-tls":
            return as_root(lambda: cli_tls.config_tls(options, paths.regiond_conf))
        case _:
            return call(options, profiles)


def login(options: argparse.Namespace, profiles: Profiles) -> int:
    """Check the key, read the API's description and keep both; a profile of this name is replaced.

    Raises:
        CommandError: the key isn't one.
    """
    key = _key(options.key)
    url = cli_api.api_url(options.url)
    trust = cli_api.Trust(options.insecure, options.cacerts)
    try:
        if key and cli_api.request("GET", f"{url}users/?op=whoami", key, trust=trust).status == 401:
            print("The MAAS server rejected your API key.", file=sys.stderr)
            return 1
        answer = cli_api.request("GET", f"{url}describe/", "", trust=trust)
    except cli_api.Unreachable as error:
        print(error, file=sys.stderr)
        return API_FAILURE
    if not answer.ok:
        print(answer.body, file=sys.stderr)
        return API_FAILURE
    profiles.save(Profile(options.name, url, key, json.loads(answer.body)))
    print(f"You are now logged in to the MAAS server at {url} with the profile name '{options.name}'.")
    return 0


def logout(name: str, profiles: Profiles) -> int:
    """Forget a profile."""
    if profiles.delete(name):
        return 0
    print(f"'{name}' is not an active session.", file=sys.stderr)
    return API_FAILURE


def list_profiles(profiles: Profiles) -> int:
    """Print name, URL and key of each profile."""
    for profile in profiles.all():
        print(profile.name, profile.url, profile.key)
    return 0


def call(options: argparse.Namespace, profiles: Profiles) -> int:
    """One operation of the API: its JSON on stdout; a failure's body too, with exit code 2 (maas-facts §1.5)."""
    profile = profiles.get(options.command)
    if profile is None:
        raise CommandError(f"no profile {options.command}")
    action: cli_api.Action = options.action
    arguments = {name: getattr(options, name) for name in action.parameters}
    url = cli_api.action_url(action, profile.url, arguments)
    trust = cli_api.Trust(options.insecure)
    try:
        answer = cli_api.request(action.method, url, profile.key, options.data, trust)
    except cli_api.Unreachable as error:
        print(error, file=sys.stderr)
        return API_FAILURE
    if answer.ok and sys.stdout.isatty():
        print("Success.\nMachine-readable output follows:")
    print(answer.pretty())
    return 0 if answer.ok else API_FAILURE


def _key(given: str | None) -> str:
    """The API key: given, `-` for the first line of stdin, or asked for on a terminal.

    Raises:
        CommandError: not of the form `consumer:token:secret`.
    """
    if given is None and sys.stdin.isatty():
        key = input("API key (leave empty for anonymous access): ").strip()
    elif given is None or given == "-":
        key = sys.stdin.readline().strip()
    else:
        key = given
    if key and key.count(":") != 2:
        raise CommandError("Malformed credentials: expected 3 colon-separated items.")
    return key


def _pair(text: str) -> tuple[str, str]:
    """`name=value`, or `name@=file` for a file's content."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name=value or name@=filename pair")
    if name.endswith("@"):
        return name[:-1], Path(value).read_text(encoding="utf-8")
    return name, value


def _parser(profile: Profile | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maas", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=version.LONG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    login_command = commands.add_parser("login", help="Log in to a MAAS and keep it as a profile.")
    login_command.add_argument("name", metavar="PROFILE")
    login_command.add_argument("url", metavar="URL")
    login_command.add_argument("key", metavar="KEY", nargs="?", help="consumer:token:secret, or - for stdin")
    login_command.add_argument("--cacerts", metavar="FILE")
    login_command.add_argument("-k", "--insecure", action="store_true")
    logout_command = commands.add_parser("logout", help="Forget a profile.")
    logout_command.add_argument("name", metavar="PROFILE")
    commands.add_parser("list", help="List the profiles.")
    cli_users.add_createadmin_options(commands.add_parser("createadmin", help="Create an administrator."))
    cli_users.add_apikey_options(commands.add_parser("apikey", help="Print or make a user's API keys."))
    cli_tls.add_options(commands.add_parser("config-tls", help="Configure TLS of the regions."))
    # On a deb this only makes an administrator: there are no run modes (maas-facts §1.2).
    cli_users.add_createadmin_options(commands.add_parser("init", help="Create an administrator."), "admin-")
    if profile is not None:
        _add_operations(commands.add_parser(profile.name, help=profile.url), profile)
    return parser


def _add_operations(parser: argparse.ArgumentParser, profile: Profile) -> None:
    handlers = parser.add_subparsers(dest="handler", required=True, metavar="HANDLER")
    made: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for action in cli_api.actions(profile.description, anonymous=not profile.key):
        if action.handler not in made:
            handler = handlers.add_parser(action.handler)
            made[action.handler] = handler.add_subparsers(dest="operation", required=True, metavar="OPERATION")
        operation = made[action.handler].add_parser(action.name, help=action.summary.replace("%", "%%"))
        for parameter in action.parameters:
            operation.add_argument(parameter)
        operation.add_argument("data", type=_pair, nargs="*", metavar="NAME=VALUE")
        operation.add_argument("-k", "--insecure", action="store_true")
        operation.add_argument("-d", "--debug", action="store_true")
        operation.set_defaults(action=action)
