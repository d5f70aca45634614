"""Asking and telling the snap's supervisor: what `supervisorctl`, and from 3.5 on Pebble's own command, are for.

`python3 -m maas_standin.snap_control start|stop|restart|is-active UNIT` takes the names of MAAS's units, so that the
daemons need not know where they run.
"""

import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .paths import Paths

ANSWER_S = 120.0
"""Longest a program may take to stop; regiond was seen to need 117 s (maas-facts §0a)."""
RESTARTING = "restarting"


class NotRunningError(Exception):
    """There is no supervisor that answers: the snap is stopped or disabled."""


@dataclass(frozen=True)
class ProgramState:
    """One program as the supervisor has it."""

    name: str
    pid: int
    """0 if it doesn't run."""
    since: float
    """Seconds since the epoch."""
    autostart: bool


def ask(paths: Paths, *words: str) -> str:
    """The supervisor's answer to one line. Raises NotRunningError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(paths.supervisor_socket))
            connection.sendall((" ".join(words) + "\n").encode())
            with connection.makefile() as answers:
                return answers.readline().strip()
        except OSError as error:
            raise NotRunningError(f"the snap's supervisor doesn't answer: {error}") from None


def states(paths: Paths) -> list[ProgramState] | None:
    """All programs of the mode; None while the supervisor restarts them. Raises NotRunningError."""
    answer = ask(paths, "status")
    return None if answer == RESTARTING else [ProgramState(**fields) for fields in json.loads(answer)]


def follow_mode(paths: Paths) -> None:
    """Stop everything, then start what the mode asks for; returns once that is done.

    Where the snap is stopped nothing happens: its services come up with the mode when it is started.
    """
    try:
        ask(paths, "reload")
        while states(paths) is None:
            time.sleep(0.05)
    except NotRunningError:
        return


def main(arguments: Sequence[str]) -> int:
    """The command's exit code: systemctl's."""
    verb, unit = arguments
    name = unit.removesuffix(".service").removeprefix("maas-")
    paths = Paths.here()
    try:
        if verb != "is-active":
            answer = ask(paths, verb, name)
            if answer != "ok":
                print(answer, file=sys.stderr)
            return 0 if answer == "ok" else 1
        known = states(paths) or []
    except NotRunningError as error:
        print(error, file=sys.stderr)
        return 1
    active = any(state.name == name and state.pid for state in known)
    print("active" if active else "inactive")
    return 0 if active else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
