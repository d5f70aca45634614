"""Other programs, run so that none outlives the setup and each failure fits on a line."""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from toolchain.errors import InterruptedWorkError, ToolchainError
from toolchain.progress import Waiting

LINES_KEPT: Final = 60
"""Last lines of a program's output that are kept to explain a failure."""

NO_SPACE: Final = ("no space left on device", "disk quota exceeded")
TELLING: Final = (
    NO_SPACE,
    ("certificate", "name resolution", "dns error", "no such host", "connection refused", "unreachable", "timed out"),
    ("error", "fatal", "failed", "cannot", "denied", "mismatch"),
)
"""Words by which the line that matters is found in a failed program's output; the first group that occurs wins, as
pip's last line only says that it found nothing."""

GRACE: Final = 5.0
"""Seconds that a program has to end by itself once told to."""


class Commands:
    """Runs programs; `stop` ends those under way, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        doing: str,
        remedy: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        counting: str = "",
    ) -> str:
        """Run a program to its end and return the last lines that it printed.

        Args:
            argv: the command.
            doing: what it is for, shown while it runs and in the error.
            remedy: what the operator can do when it fails.
            env: environment, else the setup's own.
            cwd: folder to run in.
            counting: unit of its output lines, for programs that print one a step; shown as progress.

        Raises:
            ToolchainError: it could not be started or exited non-zero; one line.
            InterruptedWorkError: `stop` was called.
        """
        last: deque[str] = deque(maxlen=LINES_KEPT)
        with Waiting(doing) as waiting:
            process = self._start(argv, doing, remedy, env, cwd)
            try:
                with _output(process) as output:
                    for number, line in enumerate(output, 1):
                        last.append(line.rstrip())
                        if counting:
                            waiting.detail(f"{number} {counting}")
                status = process.wait()
            finally:
                end(process)
                with self._lock:
                    self._running.discard(process)
            if self._stopped:
                raise InterruptedWorkError(f"{doing}: stopped")
            if status:
                raise ToolchainError(f"{doing}: {cause(last, status)}; {advice(last, remedy)}")
        return "\n".join(last)

    def _start(
        self, argv: Sequence[str | Path], doing: str, remedy: str, env: Mapping[str, str] | None, cwd: Path | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise InterruptedWorkError(f"{doing}: stopped")
            try:
                process = subprocess.Popen(
                    argv,
                    env=env,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    # A group of its own: Ctrl-C reaches us alone, and `end` reaches what it started in turn.
                    start_new_session=True,
                )
            except OSError as error:
                raise ToolchainError(f"{doing}: cannot start {argv[0]}: {error.strerror}; {remedy}") from error
            self._running.add(process)
            return process

    def stop(self) -> None:
        """End every program under way and start no more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            end(process)


def _output(process: "subprocess.Popen[str]") -> IO[str]:
    if process.stdout is None:
        raise ValueError("started without a pipe")
    return process.stdout


def end(process: "subprocess.Popen[str]") -> None:
    """Make sure that a program and what it started are gone."""
    if process.poll() is not None:
        return
    for how, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def cause(lines: Sequence[str], status: int) -> str:
    """The line of a failed program's output that says why."""
    said = [line.strip() for line in lines if line.strip()]
    for words in TELLING:
        telling = [line for line in said if any(word in line.lower() for word in words)]
        if telling:
            return plain(telling[-1])
    return plain((said or [f"exit status {status}"])[-1])


def plain(line: str) -> str:
    """A program's line without its level and how often it tried, 300 characters at most."""
    line = line.rpartition("after connection broken by ")[2]
    return re.sub(r"^(?:cause|error|fatal|warning)\W+", "", line, flags=re.IGNORECASE)[:300]


def advice(lines: Sequence[str], remedy: str) -> str:
    """What to do about it: `remedy`, unless the output tells that the disk is full."""
    said = "\n".join(lines).lower()
    return "free some disk space and run it again" if any(word in said for word in NO_SPACE) else remedy
