"""`python3 -m toolchain setup | env | lock`, on any Python 3.10 or newer with nothing installed."""

import argparse
import errno
import os
import shlex
import signal
import sys
from types import FrameType

from toolchain.cache import Cache
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.environment import environment
from toolchain.errors import ToolchainError
from toolchain.python_packages import PythonPackages
from toolchain.setup import Setup

FULL: tuple[int, ...] = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; a foreseeable failure is one line on stderr and exit status 1."""
    parser = argparse.ArgumentParser(prog="python3 -m toolchain", description="The engine, its plugins and Python.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("setup", help="make everything that is missing")
    verbs.add_parser("env", help='print the environment; use as eval "$(python3 -m toolchain env)"')
    verbs.add_parser("lock", help="write requirements.lock anew from pyproject.toml")
    verb = parser.parse_args(arguments).verb
    signal.signal(signal.SIGTERM, _interrupt)
    commands = Commands()
    try:
        _run(verb, Checkout.here(), Cache.of_user(os.environ), commands)
    except ToolchainError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(_explained(error))
    except KeyboardInterrupt:
        commands.stop()
        _failed("interrupted; what was complete is kept, run it again to go on")
        return 130
    return 0


def _run(verb: str, checkout: Checkout, cache: Cache, commands: Commands) -> None:
    if verb == "setup":
        Setup(checkout, cache, commands).run()
    elif verb == "lock":
        PythonPackages(checkout, cache, commands).relock()
    else:
        for name, value in environment(checkout).items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _explained(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    todo = "free some disk space and run it again" if error.errno in FULL else "put that right and run it again"
    return f"{where}{error.strerror or error}; {todo}"


def _failed(text: str) -> int:
    sys.stderr.write(f"error: {' '.join(text.split())}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
