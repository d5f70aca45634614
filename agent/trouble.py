"""An error as the operator reads it: host, step, cause, and what the unit said last."""

from __future__ import annotations

import errno
import re
import shutil

from agent.commands import Commands
from agent.errors import InterruptedBySignalError, StepError
from agent.paths import Paths
from agent.report import Report

MAX_LINES = 20
"""Lines of a message in all."""
LOG_LINES = 10
"""Lines of log shown."""
TELLING = re.compile(r"\b(alert|cannot|denied|error|fail(ed|ure)?|fatal|invalid|refused)\b", re.IGNORECASE)
"""A line that says why, which what a unit says of going on as before must not push out."""


class ToldError(Exception):
    """An error whose lines are ready to be printed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def explain(report: Report, commands: Commands, paths: Paths, error: BaseException, since: float) -> ToldError | None:
    """The message for a foreseeable `error`, or None for another; made before the rollback, for the log's sake."""
    head = f"{report.host}: {report.current}"
    if isinstance(error, InterruptedBySignalError):
        return ToldError([f"{head}: stopped by {error}"])
    if isinstance(error, OSError):
        said = f"{head}: {error.strerror or error}: {error.filename or ''}".rstrip(": ")
        return ToldError([said + (_space_left(paths) if error.errno == errno.ENOSPC else "")])
    if not isinstance(error, StepError):
        return None
    cause = [line for line in error.cause.splitlines() if line.strip()][: MAX_LINES - LOG_LINES - 1] or ["failed"]
    lines = [f"{head}: {cause[0]}", *(f"  {line}" for line in cause[1:])]
    if error.unit:
        log = unit_log(commands, paths, error, since)
        lines += [f"last lines of {error.unit}:", *(f"  {line}" for line in log)] if log else []
    return ToldError(lines[:MAX_LINES])


def _space_left(paths: Paths) -> str:
    """Where to free some: a write that fails names no file."""
    free, place = min((shutil.disk_usage(paths.at(place)).free, place) for place in ("/", "/etc", "/var/lib/maas-ha"))
    return f"; {place} has {free // 1024} kB left: free some"


def unit_log(commands: Commands, paths: Paths, error: StepError, since: float) -> list[str]:
    """What the unit logged since the transaction began, in its journal or log file: the last, and what says why."""
    lines: list[str] = []
    try:
        argv = ("journalctl", "--unit", error.unit, f"--since=@{since:.0f}", "--output=cat", "--no-pager", "--lines=40")
        lines = commands.run(*argv, check=False).stdout.splitlines()
    except StepError:
        pass
    file = paths.at(error.log) if error.log else None
    if file and file.exists():
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - 16384))
            lines += log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    return shown([line for line in lines if line.strip()])


def shown(lines: list[str]) -> list[str]:
    """As many of `lines` as fit, in their order: the last of those that say why, then the last of the others."""
    places = sorted(range(len(lines)), key=lambda place: (bool(TELLING.search(lines[place])), place))
    return [lines[place] for place in sorted(places[-LOG_LINES:])]
