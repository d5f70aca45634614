"""A region from the snap: initialised once and only where nothing is lost, changed by `maas config` where it can be."""

from __future__ import annotations

import dataclasses

import pytest

from agent import packaging, region_health, schema
from agent.packaging import SNAP, SNAP_MODE
from agent.roles import region
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas
from tests.agent.region.fake_region import SECRET
from tests.agent.region.fake_snap import CONF, PASSWORD, UNIT, SnapHost

INIT = "init region --maas-url http://10.0.0.4/MAAS --num-workers 2 --force"


@pytest.fixture
def host(machine: FakeHost, local: Local, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> SnapHost:
    """A host with the snap, which has no mode yet."""
    monkeypatch.setattr(region_health, "OWN_URL", maas.url)
    monkeypatch.setattr(region, "HEALTH_DEADLINE", 0.3)
    monkeypatch.setattr(region, "FORGET_DEADLINE", 0.5)
    monkeypatch.setattr(schema, "SESSIONS_END", 0.3)
    host = SnapHost(machine, local, maas)
    command = str(host.prepare())
    monkeypatch.setitem(packaging.PACKAGINGS, "snap", dataclasses.replace(SNAP, region_cli=command, client=command))
    return host


def mode(host: SnapHost) -> str:
    path = host.machine.root / SNAP_MODE[1:]
    return path.read_text() if path.exists() else ""


def own_text(host: SnapHost, **changes: object) -> bool:
    """True if regiond.conf is as the program rendered it, closed to others."""
    [file] = host.snap_bundle(**changes).files  # type: ignore[arg-type]  # names of its own parameters
    path = host.machine.root / CONF[1:]
    same = path.read_text() == file.content.replace("<<secret:database_password>>", PASSWORD)
    return same and path.stat().st_mode & 0o777 == 0o640


def test_init_once_with_every_flag_and_the_database_on_standard_input(host: SnapHost) -> None:
    outputs = host.local.apply(host.snap_bundle())
    assert outputs["system_id"] == "rrr"
    assert (outputs["shared_secret"], outputs["api_key"]) == (SECRET, KEY)
    assert host.told() == [INIT, "apikey --username admin"]
    assert (host.home / "uri").read_text() == "postgres://maas:db%3Apw%2F%40%251@10.0.0.5:5432/maasdb"
    assert mode(host) == "region"
    assert own_text(host)
    assert host.machine.calls() == []
    assert host.local.differences() == []


def test_second_apply_only_asks(host: SnapHost) -> None:
    host.local.apply(host.snap_bundle())
    host.told()
    host.local.apply(host.snap_bundle())
    assert host.told() == []
    assert host.machine.calls() == []


def test_what_init_forgot_is_in_the_file_and_brings_a_restart(host: SnapHost) -> None:
    host.touch("init-forgets")
    host.local.apply(host.snap_bundle(more="broadcast_address: 10.0.0.2\n"))
    assert own_text(host, more="broadcast_address: 10.0.0.2\n")
    assert host.machine.calls() == [f"restart {UNIT}"]


def test_workers_change_by_maas_config(host: SnapHost) -> None:
    host.local.apply(host.snap_bundle())
    host.told()
    host.listed(3)
    host.local.apply(host.snap_bundle(workers=3))
    assert host.told() == ["config --num-workers 3"]
    assert (host.home / "config-restarts").read_text() == "{'num_workers': '3'}"
    assert own_text(host, workers=3)
    assert host.machine.calls() == []


def test_what_maas_config_does_not_know_brings_a_restart(host: SnapHost) -> None:
    host.local.apply(host.snap_bundle())
    host.told()
    host.touch("own")
    host.local.apply(host.snap_bundle(more="broadcast_address: 10.0.0.2\n"))
    assert host.told() == []
    assert host.machine.calls() == [f"restart {UNIT}"]


def test_a_database_with_a_schema_is_migrated_after_init(host: SnapHost) -> None:
    """`maas init` looks at an empty database alone (maas-facts §1.1)."""
    host.touch("has-schema")
    host.local.apply(host.snap_bundle())
    assert host.told() == [INIT, "migrate", "apikey --username admin"]
    assert host.machine.calls() == [f"stop {UNIT}", f"start {UNIT}"]


def test_the_others_never_make_the_schema(host: SnapHost) -> None:
    with pytest.raises(ToldError, match="the schema is missing"):
        host.local.apply(host.snap_bundle(leader=False))
    assert host.told() == []
    host.touch("has-schema")
    host.local.apply(host.snap_bundle(leader=False))
    assert host.told() == [INIT]


def test_a_new_version_is_migrated_with_the_snap_stopped(host: SnapHost) -> None:
    host.local.apply(host.snap_bundle())
    host.told()
    host.touch("version", "3.4.11")
    host.local.apply(host.snap_bundle())
    assert host.told() == ["migrate"]
    assert host.machine.calls() == [f"stop {UNIT}", f"start {UNIT}"]


def test_failed_init_leaves_no_mode_and_is_run_again(host: SnapHost) -> None:
    host.touch("init-fails")
    with pytest.raises(ToldError, match="the migration fails"):
        host.local.apply(host.snap_bundle())
    assert mode(host) == ""
    assert not (host.machine.root / CONF[1:]).exists()
    (host.home / "init-fails").unlink()
    host.told()
    host.local.apply(host.snap_bundle())
    assert host.told()[0] == INIT


def test_a_region_without_event_loops_has_no_mode_afterwards(host: SnapHost) -> None:
    host.listed(0)
    with pytest.raises(ToldError, match="0 of 2 event loops"):
        host.local.apply(host.snap_bundle())
    assert mode(host) == ""
    assert host.machine.calls() == [f"restart {UNIT}"]


@pytest.mark.parametrize("other", ["rack", "region+rack"])
def test_another_mode_is_refused(host: SnapHost, other: str) -> None:
    host.machine.write(SNAP_MODE, other)
    with pytest.raises(ToldError, match=r"in mode '.*rack'.*snap remove --purge maas"):
        host.local.apply(host.snap_bundle())
    assert host.told() == []


def test_a_region_of_another_database_is_refused(host: SnapHost) -> None:
    host.machine.write(SNAP_MODE, "region")
    host.machine.write(CONF, "database_host: 10.9.9.9\ndatabase_name: maasdb\ndatabase_user: maas\n")
    with pytest.raises(ToldError, match=r"maas@10\.9\.9\.9:5432/maasdb, not on maas@10\.0\.0\.5:5432/maasdb"):
        host.local.apply(host.snap_bundle())
    assert host.told() == []


def test_a_region_that_is_ours_already_is_not_initialised_again(host: SnapHost) -> None:
    """The agent's state was lost; `maas init` would delete certificates and the secret (maas-facts §1.1)."""
    host.touch("has-schema")
    host.touch("others", "10.0.0.7\n")
    host.local.apply(host.snap_bundle())
    state = host.machine.root / "var/lib/maas-ha"
    (state / "records/region-1.json").unlink()
    (state / "schema.json").unlink(missing_ok=True)
    host.told()
    host.local.apply(host.snap_bundle())
    assert host.told() == []


def test_removal_leaves_the_snap_without_mode_and_identity(host: SnapHost) -> None:
    host.local.apply(host.snap_bundle())
    host.machine.calls()
    host.maas.regions = {"rrr": ""}
    host.local.remove(host.snap_bundle())
    assert host.maas.regions == {}
    assert mode(host) == ""
    assert host.machine.calls() == [f"stop {UNIT}", f"start {UNIT}"]
    for path in (CONF, SNAP.maas_id, SNAP.secret):
        assert not (host.machine.root / path[1:]).exists()


def test_no_secret_in_arguments_or_records(host: SnapHost, capfd: pytest.CaptureFixture[str]) -> None:
    host.local.apply(host.snap_bundle())
    records = host.machine.root / "var/lib/maas-ha/records"
    seen = "".join(path.read_text() for path in records.iterdir()) + "\n".join(host.told())
    seen += "".join(capfd.readouterr())
    for secret in (PASSWORD, "db%3Apw", "adminpw9", KEY, SECRET):
        assert secret not in seen
