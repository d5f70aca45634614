"""`maas status` of the snap (maas-facts §1.1): supervisorctl's table up to MAAS 3.4, Pebble's from 3.5 on."""

import sys
import time

from . import snap_control, version
from .paths import Paths
from .snap_control import NotRunningError, ProgramState
from .snap_programs import current_mode

RESTARTING_EXIT = 255
NOT_RUNNING_EXIT = 3
"""supervisorctl's, where a program that it was asked about doesn't run."""


def status(paths: Paths) -> int:
    """Print the table; the exit code."""
    if current_mode(paths) == "none":
        print("MAAS is not configured")
        return 1
    try:
        states = snap_control.states(paths)
    except NotRunningError as error:
        print(error, file=sys.stderr)
        return 1
    if states is None:
        print("MAAS supervisor is currently restarting. Please wait and try again.")
        return RESTARTING_EXIT
    if version.MINOR >= (3, 5):
        _pebble(states)
        return 0
    for state in states:
        print(_supervisor_line(state))
    return 0 if all(state.pid for state in states) else NOT_RUNNING_EXIT


def _supervisor_line(state: ProgramState) -> str:
    if not state.pid:
        return f"{state.name:<32} STOPPED   Not started"
    seconds = int(time.time() - state.since)
    uptime = f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
    return f"{state.name:<32} RUNNING   pid {state.pid}, uptime {uptime}"


def _pebble(states: list[ProgramState]) -> None:
    print(f"{'Service':<17} {'Startup':<9} {'Current':<9} Since")
    for state in states:
        startup = "enabled" if state.autostart else "disabled"
        since = time.strftime("today at %H:%M UTC", time.gmtime(state.since)) if state.pid else "-"
        print(f"{state.name:<17} {startup:<9} {'active' if state.pid else 'inactive':<9} {since}")
