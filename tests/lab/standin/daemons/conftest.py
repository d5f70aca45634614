"""PostgreSQL, the network, and a fresh MAAS for each test."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster
from .network import Network
from .postgres import Postgres


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    """The bridge. Needs root: it fails without, rather than to skip."""
    if os.geteuid() != 0:
        pytest.fail("the daemons' tests make network namespaces: run them as root")
    made = Network()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def postgres(network: Network) -> Iterator[Postgres]:
    """One server for all tests."""
    server = Postgres(network.gateway)
    yield server
    server.remove()


# Hosts live below .200; the tests' ranges above. Five hosts a test at most, and all are gone when it ends.
_numbers = itertools.cycle(range(10, 195, 5))


@pytest.fixture
def cluster(postgres: Postgres, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A MAAS of one test: hosts under a short path, for socket names are limited to 107 bytes."""
    folder: Path = tmp_path_factory.mktemp("c")
    made = Cluster(postgres, network, folder, next(_numbers))
    yield made
    made.clean_up()
    shutil.rmtree(folder, ignore_errors=True)
