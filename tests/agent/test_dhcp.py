"""DHCP of a VLAN: on and off, its range, and how it is undone."""

from __future__ import annotations

import dataclasses

import pytest

from agent.failover import Dhcpd
from agent.leases import failover_states
from agent.paths import Paths
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.dhcpd import (
    CONF,
    MARK,
    OFF,
    PEER,
    SETTINGS,
    WAITS,
    RackDhcpd,
    bundle,
    calls,
    conf,
    known_range,
    leases,
    served_by,
)
from tests.agent.fake_maas import FakeMaas


def test_off_and_on_again(dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
    served_by(maas, "aaa", "bbb")
    ranges = maas.ranges
    assert calls(local, maas, bundle(maas, settings=OFF)) == ["dhcp_on=false", "secondary_rack=", "primary_rack="]
    assert maas.ranges == ranges
    assert local.differences() == []
    assert calls(local, maas, bundle(maas, settings=dataclasses.replace(OFF, configures=False))) == []
    assert calls(local, maas, bundle(maas)) == []
    both = ["primary_rack=bbb secondary_rack=aaa dhcp_on=true"]
    assert calls(local, maas, bundle(maas, "bbb", "aaa", settings=WAITS)) == both


def test_off_is_waited_for(machine: FakeHost, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
    served_by(maas, "aaa", "bbb")
    maas.on_vlan_change = lambda: None
    before = dict(maas.vlan)
    with pytest.raises(ToldError, match="dhcpd here is still configured for failover-vlan-5001"):
        local.apply(bundle(maas, settings=OFF))
    assert maas.vlan == before


class TestRange:
    """The dynamic range."""

    def test_moved_by_one_call_and_back_on_failure(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        local.apply(bundle(maas))
        before = maas.ranges
        moved = dataclasses.replace(SETTINGS, range_start="198.51.100.110", range_end="198.51.100.130")
        maas.requests.clear()
        local.apply(bundle(maas, settings=moved))
        assert maas.requests == [f"PUT ipranges/1/ start_ip=198.51.100.110 end_ip=198.51.100.130 comment={MARK}"]
        maas.ignores_everything = True
        served_by(maas, "ccc", "bbb")
        with pytest.raises(ToldError, match="MAAS kept for VLAN 5001"):
            local.apply(bundle(maas))
        assert (maas.ranges[0]["start_ip"], maas.ranges[0]["comment"]) == ("198.51.100.110", before[0]["comment"])

    def test_waited_for_until_dhcpd_has_it(
        self, machine: FakeHost, dhcpd: RackDhcpd, local: Local, maas: FakeMaas
    ) -> None:
        local.apply(bundle(maas))
        served_by(maas, "aaa", "bbb")
        before, maas.on_vlan_change = maas.ranges, lambda: None
        moved = dataclasses.replace(SETTINGS, range_end="198.51.100.130")
        with pytest.raises(ToldError, match=r"isn't configured for the range 198\.51\.100\.100–198\.51\.100\.130"):
            local.apply(bundle(maas, settings=moved))
        assert maas.ranges == before
        assert local.differences() == []
        machine.write(CONF, conf("primary", "198.51.100.31", "127.0.0.3") + "range 198.51.100.100 198.51.100.12;\n")
        assert local.differences() == ["dhcpd here isn't configured for the range 198.51.100.100–198.51.100.120"]

    def test_another_one_in_the_way(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        maas.ranges = [known_range(maas, 9, "reserved", 90, 100)]
        with pytest.raises(ToldError, match=r"overlaps the reserved range 198.51.100.90–198.51.100.100 \(id 9\)"):
            local.apply(bundle(maas))
        assert maas.requests == []

    def test_one_that_was_there_stays(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        maas.ranges = [given := known_range(maas, 1, "dynamic", 100, 120)]
        local.apply(bundle(maas))
        local.remove(bundle(maas))
        assert maas.ranges == [given]


def test_unknown_subnet_and_rack(dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
    with pytest.raises(ToldError, match=r"MAAS has no subnet 203\.0\.113\.0/24"):
        local.apply(bundle(maas, settings=dataclasses.replace(SETTINGS, subnet="203.0.113.0/24")))
    assert maas.ranges == []
    maas.ranges = [given := known_range(maas, 1, "dynamic", 50, 60)]
    for served in (("bbb", None), (None, None)):
        served_by(maas, *served, on=served[0] is not None)
        before = dict(maas.vlan)
        with pytest.raises(ToldError, match=r"Select a valid choice\. zzz is not one of the available choices"):
            local.apply(bundle(maas, "bbb", "zzz", settings=WAITS))
        assert (maas.vlan, maas.ranges) == (before, [given])
    served_by(maas, "bbb", None)
    with pytest.raises(ToldError, match=r"Select a valid choice\. zzz is not one of the available choices"):
        local.apply(bundle(maas, "zzz"))
    assert (maas.vlan["primary_rack"], maas.ranges) == ("bbb", [given])


class TestRemove:
    """What a command undoes when it goes."""

    def test_turns_off_and_deletes_our_range(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        maas.ranges = [given := known_range(maas, 1, "dynamic", 50, 60)]
        local.apply(bundle(maas))
        served_by(maas, "aaa", None)
        maas.requests.clear()
        local.remove(bundle(maas))
        assert maas.requests == [
            "PUT vlans/5001/ dhcp_on=false",
            "PUT vlans/5001/ primary_rack=",
            "DELETE ipranges/2/",
        ]
        assert maas.ranges == [given]

    @pytest.mark.parametrize("pair", [("bbb", "ccc"), ("ccc", "bbb")])
    def test_leaves_what_another_host_has_taken_over(
        self,
        dhcpd: RackDhcpd,
        local: Local,
        maas: FakeMaas,
        capfd: pytest.CaptureFixture[str],
        pair: tuple[str, str],
    ) -> None:
        """Also where the new primary was the secondary before."""
        local.apply(bundle(maas))
        maas.ranges = [known | {"comment": "made by maas-ha on h2"} for known in maas.ranges]
        served_by(maas, *pair)
        maas.requests.clear()
        local.remove(bundle(maas))
        assert maas.requests == []
        assert f"the VLAN is now served by primary {pair[0]}" in capfd.readouterr().err

    def test_the_secondary_goes_first(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", None)
        mine = bundle(maas, "bbb", "aaa", settings=WAITS)
        local.apply(mine)
        maas.requests.clear()
        local.remove(mine)
        assert maas.requests == ["PUT vlans/5001/ secondary_rack="]
        assert (maas.vlan["primary_rack"], maas.vlan["dhcp_on"], len(maas.ranges)) == ("bbb", True, 1)

    def test_leaves_the_range_of_a_pair_that_is_off(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        local.apply(bundle(maas, settings=OFF))
        maas.ranges = [known | {"comment": "made by maas-ha on h2"} for known in maas.ranges]
        local.remove(bundle(maas, settings=OFF))
        assert len(maas.ranges) == 1

    def test_says_when_nobody_answers(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        local.apply(bundle(maas))
        maas.down = 502
        with pytest.raises(ToldError, match=r"MAAS doesn't answer.*502"):
            local.remove(bundle(maas))


def test_the_new_host_takes_the_range_over(dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
    maas.ranges = [known_range(maas, 1, "dynamic", 100, 120, "made by maas-ha on h2")]
    local.apply(bundle(maas))
    assert [known["comment"] for known in maas.ranges] == [MARK]


def test_lease_file(machine: FakeHost) -> None:
    path = machine.write("/leases", leases("normal", "potential-conflict"))
    (state,) = failover_states(path).values()
    assert str(state) == "normal/potential-conflict"
    assert not state.is_normal
    assert failover_states(machine.root / "nope") == {}


def test_configuration(machine: FakeHost) -> None:
    machine.write("/dhcpd.conf", conf("primary", "198.51.100.31", "198.51.100.32"))
    peer = Dhcpd(Paths(machine.root), "/dhcpd.conf", "/leases").peers()[PEER]
    assert (peer.role, peer.address, peer.partner) == ("primary", "198.51.100.31", "198.51.100.32")
