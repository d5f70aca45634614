"""DHCP of a VLAN: told to MAAS once, read back, waited for, and undone."""

from __future__ import annotations

import dataclasses

import pytest

from agent.bundle import Bundle, DhcpSettings
from agent.leases import failover_states
from agent.roles import dhcp
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas

NORMAL = """
failover peer "failover-vlan-5001" state {
  my state recover at 1 2026/11/23 10:00:00;
  partner state unknown-state at 1 2026/11/23 10:00:00;
}
lease 198.51.100.12 { starts 1; }
failover peer "failover-vlan-5001" state {
  my state normal at 2 2026/11/24 10:00:03;
  partner state normal at 2 2026/11/24 10:00:01;
  mclt 3600;
}
"""
LEASES = "/var/lib/maas/dhcp/dhcpd.leases"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dhcp, "NORMAL_DEADLINE", 0.3)


def bundle(maas: FakeMaas, primary: str = "aaa", secondary: str = "bbb", *, configures: bool = True) -> Bundle:
    """A pair on the one subnet."""
    settings = DhcpSettings(
        api_urls=(maas.url,),
        subnet="198.51.100.0/24",
        range_start="198.51.100.100",
        range_end="198.51.100.120",
        primary=primary,
        secondary=secondary,
        configures=configures,
    )
    return Bundle("h1", "pair", settings, secrets={"api_key": KEY})


def known_range(maas: FakeMaas, number: int, kind: str, start: int, end: int) -> dict[str, object]:
    """A range that MAAS has already."""
    first, last = f"198.51.100.{start}", f"198.51.100.{end}"
    return {"id": number, "type": kind, "start_ip": first, "end_ip": last, "subnet": maas.subnet}


def test_first_time_then_nothing(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    assert local.apply(bundle(maas)) == {"vlan": 5001, "fabric": 3}
    assert maas.requests == [
        "POST ipranges/ type=dynamic subnet=7 start_ip=198.51.100.100 end_ip=198.51.100.120 comment=made by maas-ha",
        "PUT vlans/5001/ primary_rack=aaa secondary_rack=bbb dhcp_on=true",
    ]
    maas.requests.clear()
    local.apply(bundle(maas))
    assert maas.requests == []
    assert local.differences() == []


def test_swap_takes_two_calls(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    local.apply(bundle(maas))
    local.apply(bundle(maas, "bbb", "aaa"))
    assert (maas.vlan["primary_rack"], maas.vlan["secondary_rack"]) == ("bbb", "aaa")


def test_reads_back_what_maas_kept(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    maas.ignores_secondary = True
    with pytest.raises(ToldError) as told:
        local.apply(bundle(maas))
    assert "MAAS kept for VLAN 5001: primary aaa, secondary none, DHCP on; asked for was: " in told.value.lines[0]
    assert (maas.vlan["primary_rack"], maas.vlan["dhcp_on"]) == (None, False)
    assert maas.ranges == []


def test_failure_restores_the_vlan(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    local.apply(bundle(maas))
    before = dict(maas.vlan)
    machine.write(LEASES, NORMAL.replace("my state normal", "my state communications-interrupted"))
    with pytest.raises(ToldError, match="dhcpd here says communications-interrupted/normal"):
        local.apply(bundle(maas, "ccc", "aaa"))
    assert maas.vlan == before
    assert len(maas.ranges) == 1


def test_other_range_in_the_way(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    other = {
        "id": 9,
        "type": "reserved",
        "start_ip": "198.51.100.90",
        "end_ip": "198.51.100.100",
        "subnet": maas.subnet,
    }
    maas.ranges = [other]
    with pytest.raises(ToldError, match=r"overlaps the reserved range 198.51.100.90–198.51.100.100 \(id 9\)"):
        local.apply(bundle(maas))
    assert maas.requests == []


def test_unknown_subnet_and_rack(local: Local, maas: FakeMaas) -> None:
    wrong = bundle(maas)
    assert isinstance(wrong.settings, DhcpSettings)
    elsewhere = dataclasses.replace(wrong, settings=dataclasses.replace(wrong.settings, subnet="203.0.113.0/24"))
    with pytest.raises(ToldError, match=r"MAAS has no subnet 203\.0\.113\.0/24"):
        local.apply(elsewhere)
    with pytest.raises(ToldError, match=r"Select a valid choice\. zzz is not one of the available choices"):
        local.apply(bundle(maas, "zzz"))
    assert maas.ranges == []


def test_other_side_only_waits(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    with pytest.raises(ToldError, match="dhcpd here doesn't serve failover-vlan-5001 yet"):
        local.apply(bundle(maas, configures=False))
    machine.write(LEASES, NORMAL)
    assert local.apply(bundle(maas, configures=False)) == {"vlan": 5001, "fabric": 3}
    local.remove(bundle(maas, configures=False))
    assert maas.requests == []


def test_remove_turns_off_and_deletes_our_range(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    given = known_range(maas, 1, "dynamic", 50, 60)
    maas.ranges = [given]
    local.apply(bundle(maas))
    maas.requests.clear()
    local.remove(bundle(maas))
    assert maas.requests == [
        "PUT vlans/5001/ dhcp_on=false",
        "PUT vlans/5001/ secondary_rack=",
        "PUT vlans/5001/ primary_rack=",
        "DELETE ipranges/2/",
    ]
    assert maas.ranges == [given]


def test_remove_keeps_a_range_that_was_there(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.write(LEASES, NORMAL)
    given = {
        "id": 1,
        "type": "dynamic",
        "start_ip": "198.51.100.100",
        "end_ip": "198.51.100.120",
        "subnet": maas.subnet,
    }
    maas.ranges = [given]
    local.apply(bundle(maas))
    local.remove(bundle(maas))
    assert maas.ranges == [given]


def test_remove_leaves_what_others_serve_and_says_when_nobody_answers(
    machine: FakeHost, local: Local, maas: FakeMaas, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.write(LEASES, NORMAL)
    local.apply(bundle(maas))
    maas.down = 502
    with pytest.raises(ToldError, match=r"MAAS doesn't answer.*502"):
        local.remove(bundle(maas))
    maas.down = 0
    maas.vlan = maas.vlan | {"primary_rack": "ccc"}
    maas.requests.clear()
    local.remove(bundle(maas))
    assert maas.requests == []
    assert "the VLAN is now served by primary ccc" in capfd.readouterr().err


def test_lease_file(machine: FakeHost) -> None:
    path = machine.write("/leases", NORMAL.replace("partner state normal", "partner state potential-conflict"))
    (state,) = failover_states(path).values()
    assert str(state) == "normal/potential-conflict"
    assert not state.is_normal
    assert failover_states(machine.root / "nope") == {}
