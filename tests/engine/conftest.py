"""One lab and one deployment for all tests of this folder, which run in the order of their files' numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.cluster import Lab
from tests.engine.deployment import Deployment
from tests.engine.hosts import packages
from tests.lab.traces import free_network

Snapshots = dict[str, list[str]]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab("engine", tmp_path_factory.mktemp("lab"))
    try:
        lab.up(free_network())
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="session")
def pristine(lab: Lab) -> Snapshots:
    """Every host's files before anything was done to it."""
    return {host.name: lab.snapshot(host.name) for host in lab.hosts}


@pytest.fixture(scope="session")
def packages_before(lab: Lab) -> dict[str, set[str]]:
    """Every host's packages before anything was done to it."""
    return {host.name: packages(lab, host.name) for host in lab.hosts}


@pytest.fixture(scope="session")
def deployment(
    lab: Lab, pristine: Snapshots, packages_before: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    assert pristine.keys() == packages_before.keys()
    return Deployment(tmp_path_factory.mktemp("project"), lab)
