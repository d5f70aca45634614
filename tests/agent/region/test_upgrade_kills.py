"""Killed with SIGKILL at any line of an upgrade: no regiond runs on another schema than its own, a repeat goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import region_health
from agent.roles import region
from tests.agent.conftest import Local, new_host
from tests.agent.fake_maas import FakeMaas
from tests.agent.region.fake_packages import NEW, OLD, Upgradable
from tests.agent.region.fake_region import Controller
from tests.agent.test_crash import Place, killer, lines_of, run

CONCERNED = (
    "region_upgrade.py",
    "region_hold.py",
    "dump.py",
    "hold.py",
    "schema.py",
    "packages.py",
    "roles/region.py",
    "apply.py",
)
"""Files of the agent whose lines are tried."""


def sampled(places: list[Place], number: int) -> list[Place]:
    """So many of them, evenly; with MAAS_HA_CRASH_POINTS=all every one (10 minutes)."""
    if os.environ.get("MAAS_HA_CRASH_POINTS") == "all":
        return places
    return places[:: max(1, len(places) // number)]


@pytest.fixture
def quiet(maas: FakeMaas, local: Local, monkeypatch: pytest.MonkeyPatch) -> FakeMaas:
    monkeypatch.setattr(region_health, "OWN_URL", maas.url)
    monkeypatch.setattr(region, "HEALTH_DEADLINE", 10.0)
    maas.racks = {}
    return maas


@contextmanager
def upgradable(folder: Path, maas: FakeMaas, *, leader: bool) -> Iterator[Upgradable]:
    """A region of its own with MAAS 3.4 committed."""
    machine = new_host(folder)
    made = Upgradable(Controller(machine, Local(machine), maas), leader=leader)
    assert run(machine, "apply", made.bundle("3.4")) == 0
    made.deployed()
    try:
        yield made
    finally:
        shutil.rmtree(folder)


def assert_sound(host: Upgradable) -> None:
    """regiond runs only with the schema of its version."""
    note = json.loads(host.machine.read("/var/lib/maas-ha/schema.json"))
    version = (host.home / "version").read_text()
    if host.serves:
        assert (note["version"], note["done"]) == (version, True)
    assert version == OLD or host.serves or host.is_held or note == {**note, "version": NEW, "done": True}
    for dump in host.dumps():
        assert dump.stat().st_mode & 0o777 == 0o600


def test_the_first_region(quiet: FakeMaas, tmp_path: Path) -> None:
    with upgradable(tmp_path / "whole", quiet, leader=True) as whole:
        places = [place for place in lines_of(whole.machine, "apply", whole.bundle()) if place[0].endswith(CONCERNED)]
    assert len(places) > 60
    for number, place in enumerate(sampled(places, 12)):
        with upgradable(tmp_path / str(number), quiet, leader=True) as host:
            assert run(host.machine, "apply", host.bundle(), killer(place)) == -signal.SIGKILL, place
            assert_sound(host)
            assert run(host.machine, "status", None) == 0
            assert_sound(host)
            assert run(host.machine, "apply", host.bundle()) == 0, (host.home / "agent.log").read_text()
            assert_sound(host)
            assert (host.home / "version").read_text() == NEW
            assert host.serves, place
            assert not host.is_held, place
            finished = [dump for dump in host.dumps() if dump.suffix == ".dump"]
            assert finished == host.dumps() != [], place
            assert all(dump.read_text() == OLD for dump in finished), place


def test_another_region_is_held(quiet: FakeMaas, tmp_path: Path) -> None:
    with upgradable(tmp_path / "whole", quiet, leader=False) as whole:
        places = [place for place in lines_of(whole.machine, "apply", whole.step()) if place[0].endswith(CONCERNED)]
    for number, place in enumerate(sampled(places, 6)):
        with upgradable(tmp_path / str(number), quiet, leader=False) as host:
            assert run(host.machine, "apply", host.step(), killer(place)) == -signal.SIGKILL, place
            assert run(host.machine, "status", None) == 0
            assert host.serves is not host.is_held, place
            assert run(host.machine, "apply", host.step()) == 0, (host.home / "agent.log").read_text()
            assert (host.serves, host.is_held) == (False, True), place
