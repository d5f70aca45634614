"""One agent at a time on a host."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import StepError
from agent.paths import Paths
from agent.report import Report

WAIT = 900.0
"""Seconds to wait for another agent: longer than any one step of it."""


@contextmanager
def locked(paths: Paths, report: Report, wait: float = WAIT) -> Iterator[int]:
    """Hold the host's lock; gives its descriptor. Raises `StepError` when another agent holds it for `wait` seconds."""
    paths.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.state.chmod(0o700)
    descriptor = _acquire(paths, report, time.monotonic() + wait)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(paths: Paths, report: Report, deadline: float) -> int:
    told = False
    while True:
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise StepError(f"another maas-ha-agent (process {holder}) is at work on this host") from None
            if not told:
                report.say(f"waiting for another maas-ha-agent (process {holder}, or a program it started)")
                told = True
            time.sleep(0.2)  # not in the kernel: that would neither end at the deadline nor notice another lock file
            continue
        if _is_current(descriptor, paths):
            return descriptor
        os.close(descriptor)  # the holder before us removed the agent and its lock with it


def _is_current(descriptor: int, paths: Paths) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), paths.lock.stat())
    except FileNotFoundError:
        paths.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return False
