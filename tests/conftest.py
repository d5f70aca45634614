"""For all tests: a sign of life while a long one runs, and those that only `make test-all` asks for.

A line every 20 seconds, on the standard error that `--capture=sys` leaves.
"""

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-versions", action="store_true", help="only the tests of MAAS versions that the others leave out"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `all_versions` run with `--all-versions`, the others without; what doesn't run is deselected."""
    asked = bool(config.getoption("--all-versions"))
    left_out = [item for item in items if bool(item.get_closest_marker("all_versions")) != asked]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
