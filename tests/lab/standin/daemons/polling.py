"""Waiting for what will happen, with a deadline instead of a fixed pause."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 90.0
"""Far more than any of it takes: a machine that stalls is no failure of what it runs."""


def eventually(look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """The first true value of `look`. Raises AssertionError after the deadline, with the last value seen."""
    end = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what}; last seen: {seen!r}")
        time.sleep(0.1)


def becomes(look: Callable[[], object], expected: object, what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until `look` gives the expected value. Raises AssertionError after the deadline, with the last value."""
    end = time.monotonic() + deadline_s
    while (seen := look()) != expected:
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what}; last seen: {seen!r}, expected {expected!r}")
        time.sleep(0.1)
