"""A region from packages: bind9 reads what was edited under it, only regiond is started, all start at boot."""

from __future__ import annotations

import pytest

from agent.trouble import ToldError
from tests.agent.region.fake_region import UNIT, Controller

NAMED, API, WORKER, TEMPORAL = (
    "named.service",
    "maas-apiserver.service",
    "maas-temporal-worker.service",
    "maas-temporal.service",
)


def test_bind9_is_restarted_once_a_package_version(controller: Controller) -> None:
    controller.machine.unit(NAMED, "enabled active")
    controller.local.apply(controller.bundle())
    assert controller.machine.calls() == [f"restart {NAMED}", f"start {UNIT}"]
    controller.local.apply(controller.bundle(content="b"))
    assert controller.machine.calls() == [f"restart {UNIT}"]
    controller.touch("version", "1:3.4.11")
    controller.local.apply(controller.bundle(content="c"))
    assert f"restart {NAMED}" in controller.machine.calls()


def test_bind9_that_does_not_run_reads_its_files_when_it_starts(controller: Controller) -> None:
    controller.machine.unit(NAMED, "enabled inactive")
    controller.local.apply(controller.bundle())
    assert controller.machine.calls() == [f"start {UNIT}"]


def test_services_are_enabled_and_left_to_regiond(controller: Controller) -> None:
    controller.machine.unit("maas-http.service", "disabled inactive")
    controller.services()
    controller.local.apply(controller.bundle(version="3.7"))
    calls = controller.machine.calls()
    assert calls == [
        f"enable {WORKER}",
        f"enable {API}",
        f"enable {TEMPORAL}",
        "enable maas-http.service",
        f"start {UNIT}",
    ]


def test_a_service_that_regiond_did_not_start_is_missed(controller: Controller) -> None:
    controller.services()
    controller.machine.hook("start", UNIT, controller.started)
    with pytest.raises(ToldError, match=f"{WORKER}, {API}, {TEMPORAL} not active"):
        controller.local.apply(controller.bundle(version="3.7"))
    assert controller.machine.unit(TEMPORAL) == "disabled inactive"


def test_what_reads_regiond_conf_is_restarted_while_regiond_is_stopped(controller: Controller) -> None:
    """regiond requires the API server: a restart of that one restarts it too (maas-facts §10)."""
    controller.services()
    controller.local.apply(controller.bundle(version="3.7"))
    controller.machine.calls()
    controller.local.apply(controller.bundle(version="3.7", content="b"))
    assert controller.machine.calls() == [
        f"stop {UNIT}",
        f"restart {API}",
        f"restart {WORKER}",
        f"start {UNIT}",
    ]


def test_removal_stops_and_disables_them(controller: Controller) -> None:
    controller.services()
    controller.local.apply(controller.bundle(version="3.7"))
    controller.machine.calls()
    controller.maas.regions = {"rrr": ""}
    controller.local.remove(controller.bundle(version="3.7"))
    calls = controller.machine.calls()
    assert calls[:4] == [f"stop {UNIT}", f"stop {WORKER}", f"stop {API}", f"stop {TEMPORAL}"]
    for unit in (WORKER, API, TEMPORAL):
        assert controller.machine.unit(unit) == "disabled inactive"
