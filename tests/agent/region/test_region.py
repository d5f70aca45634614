"""A region: the schema is never changed under a running regiond, and ready means that its event loops are listed."""

from __future__ import annotations

import dataclasses
import json
import socket

import pytest

from agent.bundle import RegionSettings
from agent.roles import region
from agent.trouble import ToldError
from tests.agent.fake_maas import KEY
from tests.agent.region.fake_region import SECRET, UNIT, Controller


def test_leader_makes_schema_administrator_and_tells_secrets(controller: Controller) -> None:
    outputs = controller.local.apply(controller.bundle())
    wanted = {"system_id": "rrr", "shared_secret": SECRET, "api_key": KEY, "admin_created": True, "findings": ""}
    assert outputs == wanted
    told = [line.split(" ")[0] for line in controller.commands()]
    assert told == ["dbupgrade", "apikey", "createadmin", "apikey"]
    assert controller.machine.calls() == [f"start {UNIT}"]
    assert (controller.home / "pgpass").read_text() == "10.0.0.5:5432:maasdb:maas:db\\:pw\\\\1\n"
    assert not list((controller.machine.root / "var/lib/maas-ha").glob("pgpass*"))


def test_no_secret_in_arguments_records_or_output(controller: Controller, capfd: pytest.CaptureFixture[str]) -> None:
    controller.local.apply(controller.bundle())
    state = controller.machine.root / "var/lib/maas-ha"
    files = [path for path in state.rglob("*") if path.is_file()]
    own = state / "api-key"
    assert (own.read_text(), own.stat().st_mode & 0o777) == (KEY, 0o600)
    kept = "".join(path.read_text() for path in files if path != own)
    seen = kept + "".join(controller.commands()) + "".join(capfd.readouterr())
    for secret in ("db:pw", "adminpw9", KEY, SECRET):
        assert secret not in seen


def test_second_apply_only_asks(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    (controller.home / "pgpass").unlink()
    outputs = controller.local.apply(controller.bundle())
    assert outputs["admin_created"] is False
    assert controller.commands() == []
    assert controller.machine.calls() == []
    assert not (controller.home / "pgpass").exists()
    assert controller.local.differences() == []


@pytest.mark.parametrize("kept", ["another:key:thanmaas", "nonsense", ""])
def test_a_key_that_maas_does_not_take_is_asked_for_again(controller: Controller, kept: str) -> None:
    first = controller.local.apply(controller.bundle())
    controller.commands()
    (controller.machine.root / "var/lib/maas-ha/api-key").write_text(kept)
    assert controller.local.apply(controller.bundle())["api_key"] == first["api_key"]
    assert controller.commands() == ["apikey --username admin"]
    assert controller.machine.read("/var/lib/maas-ha/api-key") == first["api_key"]


def test_a_key_of_another_user_is_not_taken(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    given = controller.bundle()
    assert isinstance(given.settings, RegionSettings)
    renamed = dataclasses.replace(given.settings, admin_username="operator")
    controller.local.apply(dataclasses.replace(given, settings=renamed))
    assert controller.commands()[0] == "apikey --username operator"


def test_an_empty_database_never_takes_the_place_of_one_with_rows(controller: Controller) -> None:
    given = controller.bundle(content="b")
    assert isinstance(given.settings, RegionSettings)
    moved = dataclasses.replace(given, settings=dataclasses.replace(given.settings, database_host="10.0.0.6"))
    controller.local.apply(controller.bundle())
    (controller.home / "has-schema").unlink()
    controller.commands()
    before = controller.machine.snapshot()
    with pytest.raises(
        ToldError, match=r"has its MAAS in 10\.0\.0\.5:5432/maasdb, and 10\.0\.0\.6:5432/maasdb is empty"
    ):
        controller.local.apply(moved)
    assert controller.commands() == []
    assert controller.machine.snapshot() == before
    controller.touch("has-schema")  # the rows were brought over
    controller.local.apply(moved)


def test_changed_file_restarts_without_migration(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    controller.touch("others", "10.0.0.7\n")
    controller.local.apply(controller.bundle(content="b"))
    assert controller.commands() == []
    assert controller.machine.calls() == [f"restart {UNIT}"]


def test_new_version_migrates_with_regiond_stopped(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    controller.touch("version", "1:3.5.2")
    controller.local.apply(controller.bundle(content="b"))
    assert controller.commands()[0] == "dbupgrade"
    assert controller.machine.calls() == [f"stop {UNIT}", f"start {UNIT}"]


def test_a_package_that_was_taken_away_is_named(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.machine.calls()
    controller.touch("version")
    with pytest.raises(ToldError, match=r"the package maas-region-api isn't here any more: .*--repair h1"):
        controller.local.apply(controller.bundle())
    assert controller.machine.calls() == []


def test_never_migrates_under_a_running_regiond(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    controller.touch("version", "1:3.5.2")
    controller.touch("others", "10.0.0.7\n10.0.0.8\n")
    with pytest.raises(ToldError, match=r"a regiond runs at 10\.0\.0\.7, 10\.0\.0\.8.*systemctl stop maas-regiond"):
        controller.local.apply(controller.bundle(content="b"))
    assert controller.commands() == []
    assert controller.machine.calls() == []


def test_own_sessions_must_end_first(controller: Controller) -> None:
    controller.touch("own", "10.0.0.2\n")
    with pytest.raises(ToldError, match=r"sessions from 10\.0\.0\.2"):
        controller.local.apply(controller.bundle())
    assert controller.commands() == []


def test_rebuilt_leader_leaves_a_running_cluster_alone(controller: Controller) -> None:
    controller.touch("has-schema")
    controller.touch("others", "10.0.0.7\n")
    controller.local.apply(controller.bundle())
    assert "dbupgrade" not in controller.commands()


def test_rebuilt_leader_checks_a_silent_database(controller: Controller) -> None:
    controller.touch("has-schema")
    controller.local.apply(controller.bundle())
    assert controller.commands()[0] == "dbupgrade"


def test_empty_database_with_others_running_is_refused(controller: Controller) -> None:
    controller.touch("others", "10.0.0.7\n")
    with pytest.raises(ToldError, match="must be migrated"):
        controller.local.apply(controller.bundle())


def test_interrupted_migration_is_run_again(controller: Controller) -> None:
    controller.touch("dbupgrade-fails")
    with pytest.raises(ToldError, match="django_content_type"):
        controller.local.apply(controller.bundle())
    assert json.loads(controller.machine.read("/var/lib/maas-ha/schema.json"))["done"] is False
    controller.touch("has-schema")
    (controller.home / "dbupgrade-fails").unlink()
    controller.commands()
    controller.local.apply(controller.bundle())
    assert controller.commands()[0] == "dbupgrade"
    assert json.loads(controller.machine.read("/var/lib/maas-ha/schema.json"))["done"] is True


def test_follower_insists_on_the_schema(controller: Controller) -> None:
    with pytest.raises(ToldError, match=r"the schema is missing in database 10\.0\.0\.5:5432/maasdb"):
        controller.local.apply(controller.bundle(leader=False))
    assert controller.machine.calls() == []
    controller.touch("has-schema")
    assert controller.local.apply(controller.bundle(leader=False)) == {"system_id": "rrr", "findings": ""}
    assert controller.commands() == []


def test_active_unit_proves_nothing(controller: Controller) -> None:
    controller.listed(1, "other-host:pid=100", f"{socket.gethostname()}:pid=99999")
    controller.machine.write("/var/log/maas/regiond.log", "settings.DATABASES is improperly configured.\n")
    with pytest.raises(ToldError) as told:
        controller.local.apply(controller.bundle())
    assert "1 of 2 event loops of this host are listed" in told.value.lines[0]
    assert any("improperly configured" in line for line in told.value.lines)
    assert controller.machine.unit(UNIT) == "enabled inactive"


def test_eleventh_worker_is_not_waited_for(controller: Controller) -> None:
    controller.listed(10)
    controller.local.apply(controller.bundle(workers=12))


def test_administrator_with_another_name_on_the_address(controller: Controller) -> None:
    controller.touch("email-taken")
    with pytest.raises(ToldError, match=r"admin@example\.com belongs to another user than admin"):
        controller.local.apply(controller.bundle())


def test_secret_of_another_form_is_refused(controller: Controller) -> None:
    controller.machine.hook("start", UNIT, f'echo rrr >"{controller.machine.root}/var/lib/maas/maas_id"')
    controller.machine.write("/var/lib/maas/secret", "short")
    with pytest.raises(ToldError, match="doesn't hold 32 hexadecimal digits"):
        controller.local.apply(controller.bundle())


def test_a_balancer_that_does_not_serve_is_told_and_no_failure(
    controller: Controller, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may be dead, which is another host's trouble; the region itself is up."""
    monkeypatch.setattr(region, "BALANCER_DEADLINE", 0.3)
    bundle = controller.bundle()
    assert isinstance(bundle.settings, RegionSettings)
    away = dataclasses.replace(bundle.settings, api_urls=("http://127.0.0.1:1/MAAS",))
    outputs = controller.local.apply(dataclasses.replace(bundle, settings=away))
    assert outputs["system_id"] == "rrr"
    assert "MAAS behind the balancer not reached within 0 s: http://127.0.0.1:1/MAAS: " in capfd.readouterr().err
