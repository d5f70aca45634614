"""`maas-rack`: the rack's administration on its own host, as root (maas-facts §1.3)."""

import argparse
import binascii
import subprocess
import sys
from collections.abc import Callable, Sequence

from .cli_process import MAAS_GROUP, run_as_root
from .config import load, rack_keys, store, write_private
from .paths import Paths

Run = Callable[[Sequence[str]], None]
"""Runs a command on the host; raises subprocess.CalledProcessError."""

CONFIGURABLE = ("debug", "tftp_port", "tftp_root")


def main(argv: Sequence[str]) -> int:
    """The command's entry point."""
    return run_as_root(lambda: run(argv, Paths(), _run_command))


def run(argv: Sequence[str], paths: Paths, execute: Run, group: str = MAAS_GROUP) -> int:
    """One command on the files of `paths`; its exit code.

    Raises:
        SystemExit: with 2, for an unknown command or option.
        binascii.Error: the secret's file isn't hexadecimal: then nothing works until it is removed by hand.
        Invalid: a URL or value that MAAS refuses.
    """
    _decode_secret_file(paths)
    options = _parser().parse_args(argv)
    match options.command:
        case "register":
            return register(options, paths, execute, group)
        case "config":
            return config(options, paths, group)
        case _:
            return install_shared_secret(paths, group)


def register(options: argparse.Namespace, paths: Paths, execute: Run, group: str) -> int:
    """Point the rack at a MAAS and start it.

    rackd is stopped and its id is gone before the URLs are looked at, so a bad one leaves the rack down.
    """
    urls = options.url or _ask_url()
    if urls is None:
        print("MAAS region controller URL is required: give it with --url.")
        return 1
    execute(["systemctl", "stop", "maas-rackd"])
    paths.maas_id.unlink(missing_ok=True)
    _store_urls(urls, paths, group)
    if options.secret is None:
        # MAAS's own installer of secrets ends the program, so that rackd is never started.
        return install_shared_secret(paths, group)
    write_private(paths.secret, options.secret, group)
    execute(["systemctl", "enable", "maas-rackd"])
    execute(["systemctl", "start", "maas-rackd"])
    return 0


def config(options: argparse.Namespace, paths: Paths, group: str) -> int:
    """Change rackd.conf, and restart nothing."""
    content = load(paths.rackd_conf)
    kinds = {key.name: key.kind for key in rack_keys()}
    given = {name: getattr(options, name) for name in CONFIGURABLE if getattr(options, name) is not None}
    content |= {name: kinds[name].parse(text) for name, text in given.items()}
    if options.region_url:
        content["maas_url"] = [kinds["maas_url"].parse(url) for url in options.region_url]
    if given or options.region_url:
        store(paths.rackd_conf, content, group)
    return 0


def install_shared_secret(paths: Paths, group: str) -> int:
    """Write the secret that stands on stdin, if it is hexadecimal."""
    secret = input("Secret (hex/base16 encoded): ") if sys.stdin.isatty() else sys.stdin.readline()
    secret = secret.strip()
    try:
        binascii.unhexlify(secret)
    except ValueError as error:
        print(f"Secret could not be decoded: {error}", file=sys.stderr)
        return 1
    if not secret:
        print("No secret was given.", file=sys.stderr)
        return 1
    write_private(paths.secret, secret, group)
    print(f"Secret installed to {paths.secret}.")
    return 0


def _store_urls(urls: Sequence[str], paths: Paths, group: str) -> None:
    content = load(paths.rackd_conf)
    kind = next(key.kind for key in rack_keys() if key.name == "maas_url")
    content["maas_url"] = [kind.parse(url) for url in urls]
    store(paths.rackd_conf, content, group)


def _ask_url() -> list[str] | None:
    return [input("MAAS region controller URL: ")] if sys.stdin.isatty() else None


def _decode_secret_file(paths: Paths) -> None:
    try:
        binascii.unhexlify(paths.secret.read_bytes().strip())
    except FileNotFoundError:
        return


def _run_command(argv: Sequence[str]) -> None:
    subprocess.run(argv, check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maas-rack", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    register_command = commands.add_parser("register", help="Register with a MAAS.", allow_abbrev=False)
    register_command.add_argument("--url", action="append", help="a region's URL; more than once for a list")
    register_command.add_argument("--secret", help="the shared secret; taken from stdin if not given")
    config_command = commands.add_parser("config", help="Change rackd.conf.", allow_abbrev=False)
    config_command.add_argument("--region-url", action="append")
    config_command.add_argument("--debug")
    config_command.add_argument("--tftp-port")
    config_command.add_argument("--tftp-root")
    commands.add_parser("install-shared-secret", help="Install the shared secret that stands on stdin.")
    return parser
