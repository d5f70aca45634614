"""For all tests: a sign of life while a long one runs, and those that only `make test-all` asks for.

A line every 20 seconds, on the standard error that `--capture=sys` leaves.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

SECONDS_BETWEEN_LINES = 20
ONLY_IN_TEST_ALL = {
    "all_versions": "the tests of MAAS versions that the others leave out",
    "all_drills": "the drills of a whole cluster",
}
"""Marker → what it is on."""

# A machine that stalls is no failure of what it runs.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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


def pytest_addoption(parser: pytest.Parser) -> None:
    for marker, what in ONLY_IN_TEST_ALL.items():
        parser.addoption(_option(marker), action="store_true", help=f"only {what}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests with a marker of `ONLY_IN_TEST_ALL` run with its option, the others without any; what doesn't run is
    deselected."""
    asked = {marker for marker in ONLY_IN_TEST_ALL if config.getoption(_option(marker))}
    left_out = [item for item in items if {m.name for m in item.iter_markers()} & ONLY_IN_TEST_ALL.keys() != asked]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _option(marker: str) -> str:
    return f"--{marker.replace('_', '-')}"
