"""BMC networks: refused where the host has no address in one, and up only when MAAS sees the rack in each."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agent import bmc
from agent.bmc import without
from agent.bundle import Bundle, RackSettings
from agent.roles import rack
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import FakeMaas
from tests.agent.test_rack import UNIT
from tests.agent.test_rack import bundle as plain_bundle

BMC, OTHER = "203.0.113.0/24", "2001:db8:7::/64"


@pytest.fixture(autouse=True)
def impatient(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rack, "HEALTH_DEADLINE", 5.0)
    monkeypatch.setattr(bmc, "SEEN_DEADLINE", 0.3)
    machine.unit(UNIT, "enabled inactive")
    machine.hook("start", UNIT, f'echo aaa >"{machine.root}/var/lib/maas/maas_id"')
    has(machine, "198.51.100.31", "203.0.113.31")


def has(machine: FakeHost, *addresses: str) -> None:
    """Give the host these addresses, as `ip` shows them."""
    own = [{"family": "inet", "local": address, "prefixlen": 24} for address in addresses]
    links = [
        {
            "ifname": "lo",
            "flags": ["LOOPBACK", "UP"],
            "addr_info": [{"local": "127.0.0.1"}, {"local": "2001:db8:7::1"}],
        },
        {"ifname": "eth0", "flags": ["UP"], "addr_info": own},
        {},
    ]
    machine.program("ip", f"cat <<'EOF'\n{json.dumps(links)}\nEOF")


def bundle(maas: FakeMaas, *subnets: str) -> Bundle:
    """A rack that is to be seen in `subnets`."""
    made = plain_bundle(maas)
    assert isinstance(made.settings, RackSettings)
    return replace(made, settings=replace(made.settings, bmc_subnets=subnets))


def test_seen_in_each(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    has(machine, "198.51.100.31", "203.0.113.31", "2001:db8:7::31")
    maas.racks["aaa"]["ip_addresses"] = ["198.51.100.31", "203.0.113.31", "2001:db8:7::31"]
    assert local.apply(bundle(maas, BMC, OTHER)) == {"system_id": "aaa"}
    machine.calls()
    local.apply(bundle(maas, BMC, OTHER))
    assert machine.calls() == []


def test_no_address_touches_nothing(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    before = machine.snapshot()
    with pytest.raises(ToldError) as told:
        local.apply(bundle(maas, BMC, "192.0.2.0/24", OTHER))
    text = "\n".join(told.value.lines)
    assert "h1" in text
    assert "no address in the BMC network 192.0.2.0/24; it has 198.51.100.31, 203.0.113.31" in text
    assert f"no address in the BMC network {OTHER}" in text
    assert "give one of its interfaces an address there" in text
    assert f"network {BMC};" not in text
    assert machine.snapshot() == before
    assert machine.calls() == []


@pytest.mark.parametrize(("listed", "says"), [([], "no address"), (["198.51.100.31"], "198.51.100.31")])
def test_what_maas_does_not_see_is_a_failure(
    machine: FakeHost, local: Local, maas: FakeMaas, listed: list[str], says: str
) -> None:
    maas.racks["aaa"]["ip_addresses"] = listed
    with pytest.raises(ToldError) as told:
        local.apply(bundle(maas, BMC))
    assert f"of host-aaa MAAS lists {says}, none in {BMC}" in told.value.lines[0]
    assert "restart rackd" in told.value.lines[0]
    assert machine.unit(UNIT) == "enabled inactive"


def test_a_maas_that_goes_away_meanwhile_is_named(
    local: Local, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.apply(bundle(maas))
    monkeypatch.setattr(rack.Rack, "_missing", lambda _: "")
    maas.down = 502
    with pytest.raises(ToldError, match="MAAS doesn't answer"):
        local.apply(bundle(maas, BMC))


def test_an_ip_command_that_says_nothing(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    machine.program("ip", "echo '1: lo: <LOOPBACK>'")
    with pytest.raises(ToldError, match="says nothing that can be read"):
        local.apply(bundle(maas, BMC))


def test_networks_without_an_address() -> None:
    assert without(["203.0.113.31", "2001:db8:7::31"], [BMC, OTHER]) == []
    assert without(["203.0.113.31"], [OTHER, "203.0.112.0/23", "203.0.113.0/28"]) == [OTHER, "203.0.113.0/28"]
    assert without([], [BMC]) == [BMC]
