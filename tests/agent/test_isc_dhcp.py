"""One side of a stand-alone pair: its interface, and when it is done."""

from __future__ import annotations

import dataclasses
import json

import pytest

from agent.bundle import INTERFACE, Bundle, Effect, File, IscDhcpSettings
from agent.isc_dhcpd import CONF, DEFAULTS, LEASES, UNIT
from agent.roles import isc_dhcp
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.dhcpd import CONNECTIONS, HEAD, conf, connection, leases

PEER = "failover-vlan-5001"
LISTENER = "   1: 0200007F:0287 00000000:0000 0A 00000000:00000000\n"
PRIMARY = IscDhcpSettings(peer=PEER, address="127.0.0.2", partner="127.0.0.3", waits=False)
SECONDARY = dataclasses.replace(PRIMARY, waits=True)


@pytest.fixture(autouse=True)
def host(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with two interfaces, whose dhcpd waits for its partner once it is started."""
    monkeypatch.setattr(isc_dhcp, "LISTENS_DEADLINE", 0.3)
    monkeypatch.setattr(isc_dhcp, "SETTLED_DEADLINE", 0.3)
    links = [{"ifname": "lo", "addr_info": []}, {"ifname": "ens4", "addr_info": [{"local": "127.0.0.2"}]}]
    machine.program("ip", f"echo '{json.dumps(links)}'")
    machine.unit(UNIT, "disabled inactive")
    machine.write(CONNECTIONS, HEAD + LISTENER)
    return machine


def meet(machine: FakeHost, state: str = "normal/normal", partner: str = "127.0.0.3") -> None:
    """What is seen when both sides have met."""
    machine.write(CONNECTIONS, HEAD + LISTENER + connection(partner))
    machine.write(LEASES, leases(*state.split("/")))


def bundle(settings: IscDhcpSettings, role: str = "primary", extra: str = "") -> Bundle:
    text = conf(role, settings.address, settings.partner) + extra
    dhcpd_conf = File(CONF, text, effect=Effect.RESTART, units=(UNIT,))
    files = (dhcpd_conf, File(DEFAULTS, f"v4={INTERFACE}\n"))
    return Bundle("h1", "pair", settings, files=files, units=(UNIT,))


def test_the_first_doesn_t_wait_for_the_second(local: Local, machine: FakeHost) -> None:
    assert local.apply(bundle(PRIMARY)) == {"interface": "ens4", "state": "unknown"}
    assert (machine.root / DEFAULTS[1:]).read_text() == "v4=ens4\n"
    assert machine.unit(UNIT) == "enabled active"
    assert local.differences() != []


def test_the_second_waits_until_both_are_normal(local: Local, machine: FakeHost) -> None:
    with pytest.raises(ToldError, match=r"port 647 of 127\.0\.0\.3 must be reachable"):
        local.apply(bundle(SECONDARY, "secondary"))
    assert not (machine.root / CONF[1:]).exists()
    assert machine.unit(UNIT) == "disabled inactive"
    meet(machine)
    assert local.apply(bundle(SECONDARY, "secondary")) == {"interface": "ens4", "state": "normal/normal"}
    assert local.differences() == []


def test_a_change_of_a_pair_that_is_well_waits_until_it_is_well_again(local: Local, machine: FakeHost) -> None:
    local.apply(bundle(PRIMARY))
    meet(machine)
    machine.hook("restart", UNIT, f"cp {machine.root}/lost {machine.root}{LEASES}")
    machine.write("/lost", leases("communications-interrupted", "normal"))
    with pytest.raises(ToldError, match="communications-interrupted/normal"):
        local.apply(bundle(PRIMARY, extra="# another range\n"))
    machine.write("/lost", leases("normal", "normal"))
    meet(machine)
    local.apply(bundle(PRIMARY, extra="# another range\n"))


def test_a_change_of_roles_doesn_t_wait_for_what_still_has_the_old_ones(local: Local, machine: FakeHost) -> None:
    meet(machine)
    local.apply(bundle(SECONDARY, "secondary"))
    meet(machine, "communications-interrupted/normal")
    local.apply(bundle(PRIMARY, "primary"))


def test_a_host_without_the_address(local: Local, machine: FakeHost) -> None:
    with pytest.raises(ToldError, match=r"no interface of this host has the address 127\.0\.0\.9"):
        local.apply(bundle(dataclasses.replace(PRIMARY, address="127.0.0.9")))
    assert machine.calls() == []


def test_a_dhcpd_that_doesn_t_listen(local: Local, machine: FakeHost) -> None:
    machine.write(CONNECTIONS, HEAD)
    with pytest.raises(ToldError, match="nobody listens on port 647"):
        local.apply(bundle(PRIMARY))
    assert machine.unit(UNIT) == "disabled inactive"


def test_removal_restores(local: Local, machine: FakeHost) -> None:
    machine.write(CONF, "# the operator's\n")
    local.apply(bundle(PRIMARY))
    local.remove(bundle(PRIMARY))
    assert (machine.root / CONF[1:]).read_text() == "# the operator's\n"
    assert machine.unit(UNIT) == "disabled inactive"


@pytest.mark.parametrize(("offset", "way"), [(40.0, "40 s ahead of"), (-70.0, "70 s behind")])
def test_a_wrong_clock(
    local: Local, machine: FakeHost, monkeypatch: pytest.MonkeyPatch, offset: float, way: str
) -> None:
    monkeypatch.setattr(isc_dhcp, "clock_offset", lambda url, ca: offset)
    settings = dataclasses.replace(PRIMARY, clock_url="http://198.51.100.41/MAAS")
    with pytest.raises(ToldError, match=f"this host's clock is {way} that of http"):
        local.apply(bundle(settings))
    assert machine.calls() == []
    monkeypatch.setattr(isc_dhcp, "clock_offset", lambda url, ca: None)
    local.apply(bundle(settings))
