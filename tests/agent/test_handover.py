"""The racks of a VLAN: one takes it, one joins, and who knows what then."""

from __future__ import annotations

import pytest

from agent import handover
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.dhcpd import (
    CONF,
    LEASES,
    MARK,
    SETTINGS,
    WAITS,
    RackDhcpd,
    bundle,
    calls,
    conf,
    known_range,
    served_by,
)
from tests.agent.fake_maas import ADDRESSES, FakeMaas


class TestPrimary:
    """The rack aaa takes the VLAN; which calls MAAS gets for it."""

    def test_first_time_the_range_then_nothing(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        assert local.apply(bundle(maas)) == {"vlan": 5001, "fabric": 3}
        assert maas.requests == [
            f"POST ipranges/ type=dynamic subnet=7 start_ip=198.51.100.100 end_ip=198.51.100.120 comment={MARK}"
        ]
        maas.requests.clear()
        local.apply(bundle(maas))
        assert maas.requests == []

    def test_a_pair_that_stands_is_left_alone(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "aaa", "bbb")
        assert calls(local, maas, bundle(maas)) == []
        assert local.differences() == []

    def test_swap(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", "aaa")
        assert calls(local, maas, bundle(maas)) == ["primary_rack=aaa"]
        assert (maas.vlan["primary_rack"], maas.vlan["secondary_rack"]) == ("aaa", None)

    def test_another_secondary(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "aaa", "ccc")
        assert calls(local, maas, bundle(maas)) == ["secondary_rack="]

    def test_another_secondary_for_one_that_is_dead(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        """What the dead one knew and this one doesn't must be waited for: the partner isn't forgotten."""
        dhcpd.state = "communications-interrupted/normal"
        served_by(maas, "aaa", "ccc")
        assert calls(local, maas, bundle(maas)) == []

    @pytest.mark.parametrize("pair", [("aaa", "ccc"), ("bbb", "aaa")])
    def test_refused_while_it_learns(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, pair: tuple[str, str]
    ) -> None:
        """Two dhcpd that both wait for MCLT serve nobody."""
        dhcpd.state = "recover-wait/partner-down"
        served_by(maas, *pair)
        with pytest.raises(ToldError, match="dhcpd here is recover-wait, and its partner serves all"):
            local.apply(bundle(maas))
        assert [request for request in maas.requests if "vlans" in request] == []
        assert local.apply(bundle(maas, *pair, settings=SETTINGS if pair[0] == "aaa" else WAITS))

    @pytest.fixture
    def open_ports(self, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> set[str]:
        """Racks that are up; a dhcpd listens for its partner exactly while it has one."""
        up = {"aaa", "bbb", "ccc", "ddd"}

        def listens(addresses: tuple[str, ...]) -> bool:
            pair = {maas.vlan["primary_rack"], maas.vlan["secondary_rack"]}
            return None not in pair and any(ADDRESSES[rack] in addresses for rack in up & pair)

        monkeypatch.setattr(handover, "listens", listens)
        return up

    def test_new_here_learns_the_leases_first(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, open_ports: set[str]
    ) -> None:
        served_by(maas, "ccc", "bbb")
        assert calls(local, maas, bundle(maas)) == ["primary_rack=bbb", "secondary_rack=aaa", "primary_rack=aaa"]

    def test_new_with_a_new_secondary(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, open_ports: set[str]
    ) -> None:
        maas.add_rack("ddd")
        served_by(maas, "ccc", "ddd")
        assert calls(local, maas, bundle(maas)) == ["secondary_rack=", "secondary_rack=aaa", "primary_rack=aaa"]

    def test_new_for_one_that_is_dead(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, open_ports: set[str]
    ) -> None:
        open_ports.remove("ccc")
        dhcpd.state = "recover-wait/partner-down"
        served_by(maas, "ccc", "bbb")
        assert calls(local, maas, bundle(maas)) == ["primary_rack=aaa"]
        assert (maas.vlan["primary_rack"], maas.vlan["secondary_rack"]) == ("aaa", "bbb")

    def test_a_failure_on_the_way_restores_the_vlan(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, open_ports: set[str]
    ) -> None:
        served_by(maas, "ccc", "bbb")
        before = dict(maas.vlan)
        dhcpd.state = "recover/unknown-state"
        with pytest.raises(ToldError, match="dhcpd here says recover/unknown-state"):
            local.apply(bundle(maas))
        assert maas.vlan == before
        assert [known["comment"] for known in maas.ranges] == [MARK]

    @pytest.mark.parametrize("conf", ["", None])
    def test_forgets_its_old_partner_but_no_lease_while_nobody_serves(
        self, machine: FakeHost, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, conf: str | None
    ) -> None:
        """An empty configuration is as good as none."""
        dhcpd.off("normal/normal")
        if conf is not None:
            machine.write(CONF, conf)
        local.apply(bundle(maas))
        assert (machine.root / LEASES[1:]).read_text() == "\nlease 198.51.100.12 { starts 1; }\n"

    def test_a_dhcpd_that_keeps_its_partner_fails_and_restores_the_vlan(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas
    ) -> None:
        served_by(maas, "bbb", "aaa")
        before, maas.on_vlan_change = dict(maas.vlan), lambda: None
        with pytest.raises(ToldError, match="dhcpd here isn't yet without failover-vlan-5001"):
            local.apply(bundle(maas))
        assert maas.vlan == before


class TestSecondary:
    """The rack aaa joins the rack bbb."""

    @pytest.fixture
    def off(self, maas: FakeMaas) -> FakeMaas:
        """The VLAN as bbb's command leaves it the first time: not served, with its range."""
        maas.ranges = [known_range(maas, 1, "dynamic", 100, 120, MARK)]
        return maas

    def test_turns_a_vlan_on_for_both_by_one_call(self, dhcpd: RackDhcpd, local: Local, off: FakeMaas) -> None:
        both = ["primary_rack=bbb secondary_rack=aaa dhcp_on=true"]
        assert calls(local, off, bundle(off, "bbb", "aaa", settings=WAITS)) == both
        assert calls(local, off, bundle(off, "bbb", "aaa", settings=WAITS)) == []
        assert local.differences() == []

    @pytest.mark.parametrize(
        ("racks", "first"),
        [
            (("bbb", "aaa"), []),
            (("bbb", None), []),
            (("aaa", "bbb"), ["primary_rack=bbb"]),
            (("aaa", None), ["primary_rack=bbb"]),
            (("ccc", "aaa"), []),
            (("ccc", "ddd"), []),
        ],
    )
    def test_turns_one_on_that_was_turned_off_by_hand(
        self, dhcpd: RackDhcpd, local: Local, off: FakeMaas, racks: tuple[str, str | None], first: list[str]
    ) -> None:
        """Its racks may still stand in MAAS; a secondary that becomes primary would lose its secondary in one call."""
        off.add_rack("ddd")
        served_by(off, *racks, on=False)
        told = calls(local, off, bundle(off, "bbb", "aaa", settings=WAITS))
        assert told[:-1] == first
        assert (off.vlan["primary_rack"], off.vlan["secondary_rack"], off.vlan["dhcp_on"]) == ("bbb", "aaa", True)

    @pytest.mark.parametrize("racks", [(None, None), ("ccc", "aaa"), ("aaa", "bbb"), ("aaa", None)])
    def test_a_failure_the_first_time_leaves_the_vlan_as_it_was(
        self, dhcpd: RackDhcpd, local: Local, off: FakeMaas, racks: tuple[str | None, str | None]
    ) -> None:
        served_by(off, *racks, on=False)
        before, dhcpd.state = dict(off.vlan), "communications-interrupted/normal"
        with pytest.raises(ToldError, match="dhcpd here says communications-interrupted/normal"):
            local.apply(bundle(off, "bbb", "aaa", settings=WAITS))
        assert off.vlan == before
        assert not before["dhcp_on"]

    def test_joins_and_only_waits_then(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", None)
        assert calls(local, maas, bundle(maas, "bbb", "aaa", settings=WAITS)) == ["secondary_rack=aaa"]
        assert calls(local, maas, bundle(maas, "bbb", "aaa", settings=WAITS)) == []
        assert local.differences() == []

    @pytest.mark.parametrize("on", [True, False])
    def test_forgets_an_old_partner_but_no_lease(
        self, machine: FakeHost, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, on: bool
    ) -> None:
        """A dhcpd that is off keeps its lease file; with its old state in it the new primary would wait an hour."""
        seen = []
        served_by(maas, "bbb", None, on=on)
        dhcpd.off("normal/normal")

        def look() -> None:
            seen.append((machine.root / LEASES[1:]).read_text())
            dhcpd.update()

        maas.on_vlan_change = look
        local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))
        assert seen == ["\nlease 198.51.100.12 { starts 1; }\n"]

    def test_takes_the_place_of_a_dead_one(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", "ccc")
        assert calls(local, maas, bundle(maas, "bbb", "aaa", settings=WAITS)) == ["secondary_rack=aaa"]

    def test_refuses_another_primary(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "ccc", None)
        with pytest.raises(ToldError, match="MAAS has for VLAN 5001: primary ccc, secondary none, DHCP on"):
            local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))

    def test_reads_back_what_maas_kept(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", None)
        maas.ignores_secondary = True
        with pytest.raises(ToldError, match="MAAS kept for VLAN 5001: primary bbb, secondary none, DHCP on; asked"):
            local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))

    def test_failure_restores_the_vlan(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", None)
        before = dict(maas.vlan)
        dhcpd.state = "communications-interrupted/normal"
        with pytest.raises(ToldError, match="dhcpd here says communications-interrupted/normal"):
            local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))
        assert maas.vlan == before

    def test_an_hour_of_mclt_is_told_and_not_waited_for(
        self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas, capfd: pytest.CaptureFixture[str]
    ) -> None:
        dhcpd.state = "recover-wait/partner-down"
        served_by(maas, "bbb", None)
        local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))
        assert "one rack serves all, the other joins by itself within MCLT" in capfd.readouterr().err

    def test_what_the_lease_file_says_of_the_partner_before_doesn_t_count(
        self, machine: FakeHost, dhcpd: RackDhcpd, local: Local, maas: FakeMaas
    ) -> None:
        served_by(maas, "bbb", "aaa")
        maas.on_vlan_change = lambda: None
        for role, partner in (("primary", "bbb"), ("secondary", "ccc")):
            machine.write(CONF, conf(role, ADDRESSES["aaa"], ADDRESSES[partner]))
            with pytest.raises(ToldError, match="dhcpd here doesn't serve failover-vlan-5001 yet"):
                local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))
        machine.write(CONF, conf("secondary", ADDRESSES["aaa"], ADDRESSES["bbb"]))
        dhcpd.connect("")
        with pytest.raises(ToldError, match=r"dhcpd here has no connection to 127\.0\.0\.3 port 647"):
            local.apply(bundle(maas, "bbb", "aaa", settings=WAITS))
