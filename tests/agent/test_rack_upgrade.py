"""A rack from one MAAS to the next: only while its partner serves, and done when it is connected everywhere."""

from __future__ import annotations

import socket

import pytest

from agent import rack_upgrade
from agent.bundle import Bundle, Effect, File, HostSettings, RackSettings, secret_marker
from agent.roles import rack
from agent.trouble import ToldError
from agent.upgrade_settings import UpgradeSettings
from tests.agent.conftest import FakeHost, Local
from tests.agent.dhcpd import CONNECTIONS, HEAD, LEASES, RackDhcpd, leases
from tests.agent.fake_maas import KEY, FakeMaas

UNIT = "maas-rackd.service"
SECRET = "0123456789abcdef" * 2
OLD, NEW = "1:3.4.10-14366", "1:3.5.10-16453"

APT = r"""#!/bin/sh
home='@HOME@'
case $* in
    update* | *--download-only*) exit 0 ;;
esac
echo upgraded >>"$home/order"
if [ -e "$home/apt-fails" ]; then echo 'E: no room' >&2; exit 100; fi
cp "$home/offered" "$home/version"
cp "$home/after" '@ROOT@/proc/net/tcp'
"""


class Rack:
    """A rack of MAAS 3.4 whose apt has 3.5; its MAAS lists one event loop, at 127.0.0.9:5250."""

    def __init__(self, machine: FakeHost, local: Local, maas: FakeMaas) -> None:
        self.machine, self.local, self.home = machine, local, machine.outside
        for name, text in {"version": OLD, "offered": NEW, "order": "", "after": ""}.items():
            (self.home / name).write_text(text)
        places = {"@HOME@": str(self.home), "@ROOT@": str(machine.root)}
        for name, text in {
            "apt-get": APT,
            "apt-cache": "printf 'x:\\n  Candidate: %s\\n' \"$(cat '@HOME@/offered')\"",
            "dpkg": "exit 0",
            "dpkg-query": "echo \"ii  maas-rack-controller $(cat '@HOME@/version')\"",
        }.items():
            for place, real in places.items():
                text = text.replace(place, real)
            machine.program(name, text)
        machine.unit(UNIT, "enabled inactive")
        machine.hook("start", UNIT, f'echo aaa >"{machine.root}/var/lib/maas/maas_id"')
        maas.event_loops = {"region1:pid=7": [["127.0.0.9", 5250]]}
        files = (
            File("/etc/maas/rackd.conf", f"maas_url: [{maas.url}]\n", effect=Effect.RESTART, units=(UNIT,)),
            File("/var/lib/maas/secret", secret_marker("shared_secret"), mode=0o640),
        )
        secrets = {"shared_secret": SECRET, "api_key": KEY}
        local.apply(Bundle("h1", "rack", RackSettings((maas.url,)), files=files, units=(UNIT,), secrets=secrets))
        machine.calls()
        self.connect(machine.read(CONNECTIONS) if (machine.root / CONNECTIONS[1:]).exists() else HEAD)

    def connect(self, table: str) -> None:
        """The connections of the host, now and after packages came: those of dhcpd, and rackd's to the event loop."""
        ends = [socket.inet_aton(address)[::-1].hex().upper() for address in ("127.0.0.2", "127.0.0.9")]
        (self.home / "after").write_text(f"{table}   9: {ends[0]}:C000 {ends[1]}:1482 01 00000000:00000000\n")
        self.machine.write(CONNECTIONS, table)

    def upgraded(self) -> bool:
        """True once packages were."""
        return (self.home / "order").read_text() != ""


def step(version: str = "3.5") -> Bundle:
    return Bundle("h1", "h1-upgrade", UpgradeSettings("rack", version))


@pytest.fixture
def upgradable(machine: FakeHost, local: Local, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> Rack:
    monkeypatch.setattr(rack, "HEALTH_DEADLINE", 0.3)
    monkeypatch.setattr(rack_upgrade, "BACK_DEADLINE", 0.3)
    monkeypatch.setattr(rack_upgrade, "PARTNER_DEADLINE", 0.3)
    return Rack(machine, local, maas)


@pytest.fixture
def paired(dhcpd: RackDhcpd, maas: FakeMaas, upgradable: Rack) -> Rack:
    """With DHCP by this rack and another."""
    maas.vlan |= {"primary_rack": "aaa", "secondary_rack": "bbb", "dhcp_on": True}
    dhcpd.update()
    upgradable.connect(upgradable.machine.read(CONNECTIONS))
    return upgradable


def test_packages_then_connections(upgradable: Rack) -> None:
    upgradable.local.apply(step())
    assert upgradable.upgraded()
    assert upgradable.machine.calls() == [f"restart {UNIT}"], "its package left it alone"
    (upgradable.home / "order").write_text("")
    upgradable.local.apply(step())
    assert not upgradable.upgraded()
    assert upgradable.machine.calls() == []


def test_nothing_where_no_rack_is_yet_or_the_version_is_as_asked(
    machine: FakeHost, local: Local, upgradable: Rack
) -> None:
    local.apply(step("3.4"))
    assert not upgradable.upgraded()
    (machine.root / "var/lib/maas-ha/records/rack.json").unlink()
    local.apply(step())
    assert not upgradable.upgraded()


def test_rackd_that_does_not_come_back_is_told_and_asked_again(upgradable: Rack, maas: FakeMaas) -> None:
    maas.event_loops["region2:pid=8"] = [["127.0.0.8", 5250]]
    with pytest.raises(ToldError, match="not connected to region2:pid=8"):
        upgradable.local.apply(step())
    with pytest.raises(ToldError, match="not connected to region2:pid=8"):
        upgradable.local.apply(step())
    del maas.event_loops["region2:pid=8"]
    upgradable.local.apply(step())


def test_another_offer_is_refused(upgradable: Rack) -> None:
    (upgradable.home / "offered").write_text("1:3.6.1")
    with pytest.raises(ToldError, match=r"apt on this host has maas-rack-controller 3\.6\.1"):
        upgradable.local.apply(step())
    assert not upgradable.upgraded()


def test_an_older_version_is_refused(upgradable: Rack) -> None:
    (upgradable.home / "version").write_text(NEW)
    with pytest.raises(ToldError, match=r'(?s)MAAS is 3\.5\.10 on this host.* is 3\.4.*Write `version: "3\.5"`'):
        upgradable.local.apply(Bundle("h1", "host", HostSettings(maas_version="3.4")))


def test_a_pair_whose_partner_serves(paired: Rack) -> None:
    paired.local.apply(step())
    assert paired.upgraded()


def test_without_its_partner_it_is_left_as_it_is(paired: Rack) -> None:
    paired.machine.write(LEASES, leases("communications-interrupted", "normal"))
    with pytest.raises(ToldError, match=r"(?s)communications-interrupted.*nobody would give out leases meanwhile"):
        paired.local.apply(step())
    assert not paired.upgraded()


def test_a_dhcpd_that_does_not_come_back(paired: Rack) -> None:
    worse = leases("communications-interrupted", "normal")
    paired.machine.program(
        "apt-cache", f"printf '%s' '{worse}' >'{paired.home}/worse'; printf 'x:\\n  Candidate: {NEW}\\n'"
    )
    text = (paired.home / "bin/apt-get").read_text()
    paired.machine.program("apt-get", f"{text}cp '{paired.home}/worse' '{paired.machine.root}{LEASES}'\n")
    with pytest.raises(ToldError, match="dhcpd as before not reached"):
        paired.local.apply(step())


def test_a_controller_of_another_kind_is_a_mistake(local: Local) -> None:
    with pytest.raises(ToldError, match="no upgrade of a balancer: program and agent differ in version"):
        local.apply(Bundle("h1", "h1-upgrade", UpgradeSettings("balancer", "3.5")))
