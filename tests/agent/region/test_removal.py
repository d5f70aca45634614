"""A region goes: stopped first, then forgotten by MAAS, asked by way of the balancer or not; the last one says so."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from agent.bundle import Bundle, RegionSettings
from agent.roles import region
from agent.trouble import ToldError
from tests.agent.fake_maas import KEY
from tests.agent.region.fake_region import UNIT, Controller


def test_remove_stops_and_lets_a_peer_forget(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.machine.calls()
    controller.maas.regions = {"rrr": ""}
    controller.local.remove(controller.bundle())
    assert controller.machine.calls()[0] == f"stop {UNIT}"
    assert controller.maas.requests == ["DELETE regioncontrollers/rrr/"]
    assert not (controller.machine.root / "etc/maas/regiond.conf").exists()


def test_remove_waits_while_maas_thinks_that_it_runs(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region, "FORGET_DEADLINE", 2.0)
    controller.local.apply(controller.bundle())
    controller.maas.regions = {"rrr": "Unable to delete h as it's currently running."}
    with pytest.raises(ToldError, match="as it's currently running"):
        controller.local.remove(controller.bundle())
    assert len(controller.maas.requests) > 1
    assert controller.machine.unit(UNIT) == "enabled active"


def test_remove_waits_until_the_balancer_asks_another_region(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checks take some seconds, and until then it hands the question to the nginx of this very region."""
    monkeypatch.setattr(region, "FORGET_DEADLINE", 30.0)
    controller.local.apply(controller.bundle())
    controller.maas.regions = {"rrr": ""}
    controller.maas.down = 502
    noticed = threading.Timer(0.3, setattr, (controller.maas, "down", 0))
    noticed.start()
    controller.local.remove(controller.bundle())
    noticed.join()
    assert controller.maas.requests == ["DELETE regioncontrollers/rrr/"]


def test_remove_of_the_last_region_says_so(
    controller: Controller, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region, "BALANCER_DEADLINE", 0.2)
    controller.local.apply(controller.bundle())
    controller.maas.down = 502
    controller.local.remove(controller.bundle())
    assert "this was the last region, MAAS's database keeps its row" in capfd.readouterr().err
    assert controller.machine.unit(UNIT) == "enabled inactive"


DEAD = "http://127.0.0.1:9/MAAS"


def beside_another(controller: Controller) -> Bundle:
    """This region, whose balancer is away, and another one, that it lists."""
    given = controller.bundle()
    controller.local.apply(given)
    controller.maas.event_loops |= {"other:pid=7": [["10.0.0.3", 5250], ["2001:db8::3", 5250]]}
    controller.maas.regions = {"rrr": ""}
    assert isinstance(given.settings, RegionSettings)
    return replace(given, settings=replace(given.settings, api_urls=(DEAD,)))


def test_remove_fails_where_another_region_runs_and_does_not_answer(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else MAAS would go on counting on a region that nobody can take out of it any more."""
    monkeypatch.setattr(region, "BALANCER_DEADLINE", 0.2)
    monkeypatch.setattr(region, "url_of", lambda *_: DEAD)
    with pytest.raises(
        ToldError, match=r"Regions run at 10\.0\.0\.3, 2001:db8::3, and one of them must forget this one"
    ):
        controller.local.remove(beside_another(controller))
    assert controller.machine.unit(UNIT) == "enabled active"


def test_without_a_balancer_another_region_is_asked_itself(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"10.0.0.3": DEAD, "2001:db8::3": controller.maas.url}
    monkeypatch.setattr(region, "url_of", lambda address, _: urls[address])
    controller.local.remove(beside_another(controller))
    assert controller.maas.requests == ["DELETE regioncontrollers/rrr/"]


def test_the_first_region_uses_its_kept_key_where_the_database_lets_it_in_no_more(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.maas.regions = {"rrr": ""}
    controller.touch("key-fails")
    controller.local.remove(controller.bundle())
    assert controller.maas.regions == {}
    assert not (controller.machine.root / "var/lib/maas-ha/api-key").exists()


def test_who_is_no_longer_first_keeps_no_key(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.local.apply(controller.bundle(leader=False))
    assert not (controller.machine.root / "var/lib/maas-ha/api-key").exists()


def test_the_next_region_takes_the_place_of_the_first_without_a_migration(controller: Controller) -> None:
    """It has served with this version's schema; its regiond goes on, and the key is the one that all know."""
    controller.touch("has-schema")
    controller.touch("users")
    controller.local.apply(controller.bundle(leader=False))
    controller.machine.calls()
    controller.commands()
    outputs = controller.local.apply(controller.bundle(leader=True))
    assert (outputs["api_key"], outputs["admin_created"]) == (KEY, False)
    assert controller.commands() == ["apikey --username admin"]
    assert controller.machine.calls() == []
