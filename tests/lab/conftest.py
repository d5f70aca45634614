"""Labs for the tests: two tiny hosts on a network of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cluster import Lab
from tests.lab.traces import free_network

HOSTS = (("one", 11), ("two", 12))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of two hosts for every test that leaves it as it was."""
    lab = Lab("tiny", tmp_path_factory.mktemp("tiny"))
    try:
        lab.up(free_network(), HOSTS)
        yield lab
    finally:
        lab.down()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Lab]:
    """A lab that isn't up, for a test that brings it up and down itself."""
    lab = Lab("own", tmp_path)
    try:
        yield lab
    finally:
        lab.down()
