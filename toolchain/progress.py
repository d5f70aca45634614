"""What the operator sees while waiting: plain lines on stderr."""

import sys
import threading
import time
from types import TracebackType
from typing import Final

FIRST_WORD_AFTER: Final = 2.0
"""Seconds of silence that need no explanation."""

WORD_EVERY: Final = 15.0
"""Seconds between two lines about the same work."""


def say(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"setup: {text}\n")
    sys.stderr.flush()


def duration(seconds: float) -> str:
    """`45 s`, `3 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class Waiting:
    """Names the work under way: after two seconds, then every fifteen, and once more when long work has ended."""

    def __init__(self, doing: str, first: float = FIRST_WORD_AFTER, every: float = WORD_EVERY) -> None:
        self._doing = doing
        self._first = first
        self._every = every
        self._over = threading.Event()
        self._spoke = False
        self._detail = ""
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def detail(self, text: str) -> None:
        """How far it is, for the next line."""
        self._detail = text

    def _speak(self) -> None:
        started = time.monotonic()
        pause = self._first
        while not self._over.wait(pause):
            detail = f", {self._detail}" if self._detail else ""
            say(f"{self._doing} ({duration(time.monotonic() - started)}{detail})")
            self._spoke = True
            pause = self._every

    def __enter__(self) -> "Waiting":
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._spoke and error is None:
            say(f"{self._doing}: done in {duration(time.monotonic() - self._started)}")
