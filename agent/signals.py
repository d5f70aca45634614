"""SIGHUP, SIGTERM and SIGINT end the work cleanly: as an exception while it goes on, not at all while it is undone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from agent.errors import InterruptedBySignalError

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def raise_on_signals() -> None:
    """From now on a signal raises `InterruptedBySignalError` wherever the agent is."""
    for number in SIGNALS:
        signal.signal(number, _raise)


@contextmanager
def ignored() -> Iterator[None]:
    """Signals wait for nobody here: what is being undone is undone to the end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    raise InterruptedBySignalError(signal.Signals(number).name)
