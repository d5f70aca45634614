"""Fixtures for the plugins' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.harness import Plugin, SshServer, running, ssh_server


@pytest.fixture
def command_plugin() -> Iterator[Plugin]:
    with running("command") as plugin:
        plugin.handshake()
        yield plugin


@pytest.fixture(scope="module")
def random_plugin() -> Iterator[Plugin]:
    with running("random") as plugin:
        yield plugin


@pytest.fixture(scope="module")
def tls_plugin() -> Iterator[Plugin]:
    with running("tls") as plugin:
        yield plugin


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    folder: Path = tmp_path_factory.mktemp("sshd")
    with ssh_server(folder) as running_server:
        yield running_server
