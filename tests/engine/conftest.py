"""One lab and one deployment for the tests of a module; each test leaves the cluster up."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from lab.cluster import Lab
from tests.engine.deployment import Deployment

NETWORK = IPv4Network("198.18.10.0/24")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab("engine", tmp_path_factory.mktemp("lab"))
    try:
        lab.up(NETWORK)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def deployment(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return Deployment(tmp_path_factory.mktemp("project"), lab)
