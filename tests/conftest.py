"""A sign of life while a long test runs: a line every 20 seconds, on the standard error that `--capture=sys` leaves."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator

import pytest

SECONDS_BETWEEN_LINES = 20


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test, and tell every now and then that it still runs."""
    done, began = threading.Event(), time.monotonic()

    def tell() -> None:
        while not done.wait(SECONDS_BETWEEN_LINES):
            print(f"… {item.nodeid}: {time.monotonic() - began:.0f} s", file=sys.__stderr__, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        return (yield)
    finally:
        done.set()
        teller.join()
