"""A rack: refused with a bad secret, up when MAAS says so, forgotten by MAAS when removed."""

from __future__ import annotations

import pytest

from agent.bundle import Bundle, Effect, File, RackSettings, RegionSettings, secret_marker
from agent.roles import rack
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas

UNIT = "maas-rackd.service"
SECRET = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def impatient(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rack, "HEALTH_DEADLINE", 0.3)
    machine.unit(UNIT, "enabled inactive")
    registers = f'test -e "{machine.root}/var/lib/maas/secret" && echo aaa >"{machine.root}/var/lib/maas/maas_id"'
    machine.hook("start", UNIT, registers)


def bundle(maas: FakeMaas, secret: str = SECRET) -> Bundle:
    """A rack as the program asks for it."""
    files = (
        File("/etc/maas/rackd.conf", f"maas_url: [{maas.url}]\n", effect=Effect.RESTART, units=(UNIT,)),
        File("/var/lib/maas/secret", secret_marker("shared_secret"), mode=0o640, effect=Effect.RESTART, units=(UNIT,)),
    )
    secrets = {"shared_secret": secret, "api_key": KEY}
    return Bundle("h1", "rack-1", RackSettings((maas.url,)), files=files, units=(UNIT,), secrets=secrets)


@pytest.mark.parametrize("secret", ["", "xyz", SECRET.upper(), SECRET + "0", SECRET + "\n"])
def test_bad_secret_touches_nothing(machine: FakeHost, local: Local, maas: FakeMaas, secret: str) -> None:
    before = machine.snapshot()
    with pytest.raises(ToldError, match=r"shared.secret"):
        local.apply(bundle(maas, secret))
    assert machine.snapshot() == before


def test_up_when_maas_says_running(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    assert local.apply(bundle(maas)) == {"system_id": "aaa"}
    assert machine.read("/var/lib/maas/secret") == SECRET
    machine.calls()
    local.apply(bundle(maas))
    assert machine.calls() == []
    assert local.differences() == []


@pytest.mark.parametrize("status", ["degraded", "dead", "unknown"])
def test_any_other_status_is_a_failure(machine: FakeHost, local: Local, maas: FakeMaas, status: str) -> None:
    maas.add_rack("aaa", status)
    machine.write("/var/log/maas/rackd.log", "Event-loop 'r:pid=1' FAILED authentication; dropping connection.\n")
    with pytest.raises(ToldError) as told:
        local.apply(bundle(maas))
    assert f"MAAS says that rackd of host-aaa is {status}" in told.value.lines[0]
    assert any("FAILED authentication" in line for line in told.value.lines)
    assert not (machine.root / "etc/maas/rackd.conf").exists()
    assert machine.unit(UNIT) == "enabled inactive"


def test_not_registered_and_not_listed(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    del maas.racks["aaa"]
    with pytest.raises(ToldError, match="MAAS doesn't list the rack aaa"):
        local.apply(bundle(maas))
    (machine.root / "var/lib/maas/maas_id").unlink()
    machine.unhook("start", UNIT)
    with pytest.raises(ToldError, match="rackd hasn't registered with MAAS yet"):
        local.apply(bundle(maas))


def test_identity_is_read_anew(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.write("/var/lib/maas/maas_id", "bbb\n")
    assert local.apply(bundle(maas)) == {"system_id": "bbb"}


def test_remove_stops_before_maas_forgets(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.calls()
    local.remove(bundle(maas))
    assert maas.requests == ["DELETE rackcontrollers/aaa/"]
    assert machine.calls()[0] == f"stop {UNIT}"
    assert not (machine.root / "var/lib/maas/secret").exists()
    assert not (machine.root / "var/lib/maas/maas_id").exists()
    assert machine.unit(UNIT) == "enabled inactive"


def test_remove_of_a_rack_that_maas_lost_is_fine(local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    del maas.racks["aaa"]
    local.remove(bundle(maas))


def test_remove_of_the_last_dhcp_rack_is_refused(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    maas.racks = {"aaa": maas.racks["aaa"]}
    maas.vlan = maas.vlan | {"primary_rack": "aaa"}
    with pytest.raises(ToldError) as told:
        local.remove(bundle(maas))
    assert "currently set as a primary rack controller" in told.value.lines[0]
    assert "turn their DHCP off" in told.value.lines[1]
    assert machine.unit(UNIT) == "enabled active"
    assert machine.read("/var/lib/maas/secret") == SECRET


def test_remove_without_maas_names_the_way_out(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    maas.down = 502
    with pytest.raises(ToldError) as told:
        local.remove(bundle(maas))
    assert "maas-ha forget" in "\n".join(told.value.lines)
    assert machine.unit(UNIT) == "enabled active"


def test_identity_shared_with_a_region_stays(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    text = (machine.root / "var/lib/maas-ha/records/rack-1.json").read_text()
    settings = RegionSettings(True, 1, "", 1, "", "", "", "", ())
    region = Bundle("h1", "region-1", settings).to_json()
    start, end = region.index('"settings":'), region.index(',"state_dirs"')
    other = text.replace('"rack-1"', '"region-1"').replace('"role": "rack"', '"role": "region"')
    before, after = other.index('"settings":'), other.index(', "state_dirs"')
    machine.write("/var/lib/maas-ha/records/region-1.json", other[:before] + region[start:end] + other[after:])
    local.remove(bundle(maas))
    assert machine.read("/var/lib/maas/maas_id") == "aaa\n"
