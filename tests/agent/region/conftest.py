"""The region's host for all tests of regions; deadlines are short."""

from __future__ import annotations

import pytest

from agent import region_health, schema
from agent.roles import region
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import FakeMaas
from tests.agent.region.fake_region import Controller


@pytest.fixture
def controller(machine: FakeHost, local: Local, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> Controller:
    """A region's host with packages."""
    monkeypatch.setattr(region_health, "OWN_URL", maas.url)
    monkeypatch.setattr(region, "HEALTH_DEADLINE", 0.3)
    monkeypatch.setattr(region, "FORGET_DEADLINE", 0.5)
    monkeypatch.setattr(schema, "SESSIONS_END", 0.3)
    return Controller(machine, local, maas)
