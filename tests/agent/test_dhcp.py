"""DHCP of a VLAN: told to MAAS once, read back, waited for, and undone."""

from __future__ import annotations

import dataclasses

import pytest

from agent import handover
from agent.bundle import Bundle, DhcpSettings
from agent.failover import Dhcpd
from agent.leases import failover_states
from agent.paths import Paths
from agent.roles import dhcp
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.dhcpd import CONF, LEASES, PEER, RackDhcpd, conf, leases
from tests.agent.fake_maas import ADDRESSES, KEY, FakeMaas

MARK = "made by maas-ha on h1"
SETTINGS = DhcpSettings(
    api_urls=(),
    subnet="198.51.100.0/24",
    range_start="198.51.100.100",
    range_end="198.51.100.120",
    primary="aaa",
    secondary="bbb",
    configures=True,
)
OFF = dataclasses.replace(SETTINGS, enabled=False)
WAITS = dataclasses.replace(SETTINGS, configures=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dhcp, "OFF_DEADLINE", 0.3)
    monkeypatch.setattr(handover, "ALONE_DEADLINE", 0.3)
    monkeypatch.setattr(handover, "SETTLED_DEADLINE", 0.3)


@pytest.fixture
def dhcpd(machine: FakeHost, maas: FakeMaas) -> RackDhcpd:
    """The dhcpd of the rack aaa, whose host this is."""
    return RackDhcpd(machine, maas).follow()


def bundle(
    maas: FakeMaas, primary: str = "aaa", secondary: str = "bbb", *, settings: DhcpSettings = SETTINGS
) -> Bundle:
    """A pair on the one subnet."""
    settings = dataclasses.replace(settings, api_urls=(maas.url,), primary=primary, secondary=secondary)
    return Bundle("h1", "pair", settings, secrets={"api_key": KEY})


def known_range(maas: FakeMaas, number: int, kind: str, start: int, end: int, comment: str = "") -> dict[str, object]:
    """A range that MAAS has already."""
    first, last = f"198.51.100.{start}", f"198.51.100.{end}"
    return {"id": number, "type": kind, "start_ip": first, "end_ip": last, "subnet": maas.subnet, "comment": comment}


def served_by(maas: FakeMaas, primary: str | None, secondary: str | None, *, on: bool = True) -> None:
    """The VLAN as somebody left it, with the range that DHCP needs."""
    maas.ranges = maas.ranges or [known_range(maas, 1, "dynamic", 100, 120, MARK)]
    maas.vlan = maas.vlan | {"primary_rack": primary, "secondary_rack": secondary, "dhcp_on": on}
    maas.on_vlan_change()


def calls(local: Local, maas: FakeMaas, bundle: Bundle) -> list[str]:
    """The changes of the VLAN by applying `bundle`."""
    maas.requests.clear()
    local.apply(bundle)
    return [request.partition(" vlans/5001/ ")[2] for request in maas.requests if "vlans" in request]


class TestPrimary:
    """The rack aaa takes the VLAN; which calls MAAS gets for it."""

    def test_first_time_then_nothing(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        assert local.apply(bundle(maas)) == {"vlan": 5001, "fabric": 3}
        assert maas.requests == [
            f"POST ipranges/ type=dynamic subnet=7 start_ip=198.51.100.100 end_ip=198.51.100.120 comment={MARK}",
            "PUT vlans/5001/ primary_rack=aaa dhcp_on=true",
        ]
        assert calls(local, maas, bundle(maas)) == []

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

    def test_a_failure_the_first_time_leaves_nothing(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        maas.on_vlan_change = lambda: None
        with pytest.raises(ToldError, match="dhcpd here isn't yet without failover-vlan-5001"):
            local.apply(bundle(maas))
        assert (maas.vlan["primary_rack"], maas.vlan["dhcp_on"]) == (None, False)
        assert maas.ranges == []


class TestSecondary:
    """The rack aaa joins the rack bbb."""

    def test_joins_and_only_waits_then(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        served_by(maas, "bbb", None)
        assert calls(local, maas, bundle(maas, "bbb", "aaa", settings=WAITS)) == ["secondary_rack=aaa"]
        assert calls(local, maas, bundle(maas, "bbb", "aaa", settings=WAITS)) == []
        assert local.differences() == []

    def test_forgets_an_old_partner_but_no_lease(
        self, machine: FakeHost, dhcpd: RackDhcpd, local: Local, maas: FakeMaas
    ) -> None:
        """A dhcpd that is off keeps its lease file; with its old state in it the new primary would wait an hour."""
        seen = []
        served_by(maas, "bbb", None)
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


def test_off_and_on_again(dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
    served_by(maas, "aaa", "bbb")
    ranges = maas.ranges
    assert calls(local, maas, bundle(maas, settings=OFF)) == ["dhcp_on=false", "secondary_rack=", "primary_rack="]
    assert maas.ranges == ranges
    assert local.differences() == []
    assert calls(local, maas, bundle(maas, settings=dataclasses.replace(OFF, configures=False))) == []
    assert calls(local, maas, bundle(maas)) == ["primary_rack=aaa dhcp_on=true"]


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
    with pytest.raises(ToldError, match=r"Select a valid choice\. zzz is not one of the available choices"):
        local.apply(bundle(maas, "zzz"))
    assert maas.ranges == []


class TestRemove:
    """What a command undoes when it goes."""

    def test_turns_off_and_deletes_our_range(self, dhcpd: RackDhcpd, local: Local, maas: FakeMaas) -> None:
        maas.ranges = [given := known_range(maas, 1, "dynamic", 50, 60)]
        local.apply(bundle(maas))
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
