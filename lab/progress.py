"""Progress on stderr, and long commands that never stay silent for 30 s."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

HEARTBEAT_SECONDS = 20.0
DISK_FULL_BYTES = 64 * 1024 * 1024


def say(text: str) -> None:
    """One line for the person who waits."""
    print(f"lab: {text}", file=sys.stderr, flush=True)  # noqa: T201


def run_long(
    what: str,
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    pass_fds: Sequence[int] = (),
) -> None:
    """Run `argv` with its output in `log`, and say every 20 s that it still runs.

    `pass_fds` lets the command hold a lock of ours, so that nobody takes it while an orphan still works.
    Raises LabError with the last telling line of the log, or with "disk full".
    """
    say(f"{what} …")
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, pass_fds=tuple(pass_fds)
        )
        try:
            _feed(process, stdin)
            while True:
                try:
                    code = process.wait(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{what}: {time.monotonic() - started:.0f} s … {last_line(log)}")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        raise LabError(f"{what} failed: {_reason(log)} (log: {log})")
    say(f"{what}: done in {time.monotonic() - started:.0f} s")


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None  # noqa: S101
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
    except BrokenPipeError:  # it ended before it read all: its exit code tells
        return


def last_line(log: Path) -> str:
    """The newest non-empty line of a log, at most 100 characters."""
    lines = _tail(log)
    return lines[-1][:100] if lines else ""


def _reason(log: Path) -> str:
    if shutil.disk_usage(log.parent).free < DISK_FULL_BYTES:
        return f"the disk that holds {log.parent} is full"
    lines = _tail(log)
    telling = [line for line in lines if line.startswith(("E:", "mount:", "unshare:", "W: Failure"))]
    return (telling or lines or ["no output"])[-1][:300]


def _tail(log: Path) -> list[str]:
    text = log.read_bytes()[-20000:].decode(errors="replace")
    return [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
