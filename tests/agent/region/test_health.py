"""What a region logged since the transaction began is told, each line once, masked, and fails nothing."""

from __future__ import annotations

import json

import pytest

from tests.agent.region.fake_region import UNIT, Controller

LOG = "/var/log/maas/regiond.log"


def logs_at_start(controller: Controller, *lines: str) -> None:
    """regiond.log gets these lines when regiond starts."""
    stamped = [f"2026-01-01 12:00:0{number % 10} {line}\n" for number, line in enumerate(lines)]
    text = controller.touch("logged", "".join(stamped))
    log = controller.machine.write(LOG, "2026-01-01 11:00:00 maasserver: [error] an old one\n")
    controller.machine.hook("start", UNIT, f'{controller.started}\ncat "{text}" >>"{log}"')


def test_errors_of_this_start_are_told_once(controller: Controller, capfd: pytest.CaptureFixture[str]) -> None:
    error = "maasserver.service_monitor: [error] bind9 failed"
    logs_at_start(controller, error, "maasserver: [info] no error", error, "maasserver: [critical] db:pw\\1 refused")
    outputs = controller.local.apply(controller.bundle())
    assert outputs["findings"] == f"{error} (2 times)\nmaasserver: [critical] [secret] refused"
    assert f"h1: regiond logged: {error} (2 times)" in capfd.readouterr().err


def test_a_few_lines_are_enough(controller: Controller) -> None:
    logs_at_start(controller, *(f"maasserver: [error] number {number}{'x' * 300}" for number in range(9)))
    lines = str(controller.local.apply(controller.bundle())["findings"]).splitlines()
    assert (len(lines), lines[-1]) == (6, "and 4 more")
    assert max(map(len, lines)) == 200


def test_a_log_that_was_rotated_is_read_from_its_start(controller: Controller) -> None:
    controller.machine.write(LOG, "x" * 5000)
    start = f'rm "{controller.machine.root}{LOG}"; echo "m: [error] new" >"{controller.machine.root}{LOG}"'
    controller.machine.hook("start", UNIT, f"{controller.started}\n{start}")
    assert controller.local.apply(controller.bundle())["findings"] == "m: [error] new"


def test_nothing_new_nothing_told(controller: Controller) -> None:
    logs_at_start(controller, "maasserver: [error] once")
    controller.local.apply(controller.bundle())
    assert controller.local.apply(controller.bundle())["findings"] == ""


def test_from_3_5_on_the_journal_of_all_its_units_is_read(controller: Controller) -> None:
    asked = controller.home / "journalctl"
    controller.services()
    text = f'echo "$*" >>"{asked}"; echo "maasserver: [error] no temporal"; echo fine'
    controller.machine.program("journalctl", text)
    outputs = controller.local.apply(controller.bundle(version="3.7"))
    assert outputs["findings"] == "maasserver: [error] no temporal"
    [told] = asked.read_text().splitlines()
    assert [word for word in told.split() if word.endswith(".service")] == [
        "maas-regiond.service",
        "maas-temporal-worker.service",
        "maas-apiserver.service",
        "maas-temporal.service",
    ]
    assert "--since=@" in told


def test_findings_are_text_for_the_program(controller: Controller) -> None:
    logs_at_start(controller, "m: [error] one", "m: [error] two")
    outputs = controller.local.apply(controller.bundle())
    assert json.loads(json.dumps(outputs))["findings"] == "m: [error] one\nm: [error] two"
