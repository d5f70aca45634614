"""The one way to run a program on the host."""

from __future__ import annotations

import io
import os
import select
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from agent.errors import InterruptedBySignalError, StepError
from agent.report import Report
from agent.signals import ignored

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_OUTPUT = 4 * 1024 * 1024
"""Bytes of output after which a program is stopped: MAAS's prompts spin at end of input (maas-facts §1.5)."""
LOOK_EVERY = 0.5
"""Seconds between two looks at how much a program has printed."""
NEWS_EVERY = 30.0
"""Seconds between two signs of life while a program runs."""


@dataclass(frozen=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The last line that it printed, standard error first."""
        for text in (self.stderr, self.stdout):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return lines[-1]
        return f"exit code {self.code}"


class Commands:
    """Runs programs with a plain environment, a deadline and bounded output."""

    def __init__(self, report: Report, lock_descriptor: int | None = None) -> None:
        self._report = report
        self._lock_descriptor = lock_descriptor

    def run(
        self,
        *argv: str,
        stdin: str = "",
        timeout: float = 60.0,
        check: bool = True,
        hold_lock: bool = False,
        env: Mapping[str, str] | None = None,
        detached: bool = False,
    ) -> Completed:
        """Run `argv` with `stdin`, at most `timeout` seconds.

        With `hold_lock` the program isn't stopped halfway: a signal to the agent is obeyed once it has ended, and if
        the agent is killed it keeps the agent's lock, so that no other agent starts while it still works. `detached`
        gives it a session without a terminal, so that it asks for passwords on standard input. Raises `StepError` if
        it can't be run, takes too long, prints without end, or (with `check`) fails.
        """
        environment = {"PATH": os.environ.get("PATH", PATH), "LC_ALL": "C.UTF-8", "HOME": "/root", **(env or {})}
        held = (self._lock_descriptor,) if hold_lock and self._lock_descriptor is not None else ()
        # Memory files instead of pipes: a daemon that the program starts may keep them open without holding us up.
        with _memory("in", stdin) as given, _memory("out") as out, _memory("err") as err:
            try:
                process = subprocess.Popen(
                    argv,
                    stdin=given,
                    stdout=out,
                    stderr=err,
                    env=environment,
                    cwd="/",  # every user may go there
                    pass_fds=held,
                    start_new_session=detached or hold_lock,
                )
            except OSError as error:
                raise StepError(f"{argv[0]} can't be run: {error.strerror}") from None
            outputs, deadline = (out.fileno(), err.fileno()), time.monotonic() + timeout
            try:
                try:
                    self._wait(process, argv, outputs, deadline)
                except InterruptedBySignalError:
                    if hold_lock:
                        self._report.say(f"stopping after {' '.join(argv[:2])}, which must not be stopped halfway")
                        with ignored():
                            self._wait(process, argv, outputs, deadline)
                    raise
            except BaseException:
                _stop(process)
                raise
            done = Completed(argv, process.returncode, _text(out), _text(err))
        if check and done.code != 0:
            raise StepError(f"`{' '.join(argv)}` failed (exit {done.code}): {done.complaint}")
        return done

    def _wait(
        self, process: subprocess.Popen[bytes], argv: tuple[str, ...], outputs: tuple[int, ...], deadline: float
    ) -> None:
        news = time.monotonic() + NEWS_EVERY
        ended = process.poll() is not None
        while not ended:
            ended = _ends(process, LOOK_EVERY)
            now = time.monotonic()
            if any(os.fstat(output).st_size > MAX_OUTPUT for output in outputs):
                raise StepError(f"`{' '.join(argv)}` printed without end and was stopped")
            if now >= deadline and not ended:
                raise StepError(f"`{' '.join(argv)}` didn't end in time")
            if now >= news:
                self._report.say(f"still waiting for {' '.join(argv[:2])}")
                news = now + NEWS_EVERY


def _memory(name: str, text: str = "") -> io.FileIO:
    """An unnamed file in memory with `text` in it, read from its start."""
    file = io.FileIO(os.memfd_create(name), "r+")
    file.write(text.encode())
    file.seek(0)
    return file


def _text(file: io.FileIO) -> str:
    return os.pread(file.fileno(), MAX_OUTPUT, 0).decode(errors="replace")


def _ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """True once the program has ended, False after `seconds`; Popen's own wait looks at ever longer intervals."""
    descriptor = os.pidfd_open(process.pid)
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.poll(seconds * 1000)
    finally:
        os.close(descriptor)
    return process.poll() is not None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program politely, then not."""
    for end in (process.terminate, process.kill):
        if process.poll() is None:
            end()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
