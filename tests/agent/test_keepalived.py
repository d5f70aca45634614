"""A shared address: refused where another machine has it, done when somebody has it, and in the end one host alone."""

from __future__ import annotations

import json

import pytest

from agent import arp
from agent.bundle import INTERFACE, Bundle, Effect, File, secret_marker
from agent.keepalived import CONF, UNIT, KeepalivedSettings
from agent.roles import keepalived
from agent.trouble import ToldError
from components.virtual_address import CHECK
from tests.agent.conftest import FakeHost, Local

OWN, PEER, VIRTUAL = "198.51.100.41", "198.51.100.42", "198.51.100.40"
PEER_MAC, STRANGER = "02:00:00:00:00:42", "02:00:00:00:00:99"
PASSWORD = "abcdEF12"


class Network:
    """What `ip` and ARP probes tell."""

    def __init__(self, machine: FakeHost) -> None:
        self.machine = machine
        self.others: dict[str, set[str]] = {PEER: {PEER_MAC}}
        """Address → MACs of other machines that have it."""
        self.has(OWN)

    def has(self, *addresses: str) -> None:
        """This host has these."""
        link = {"ifname": "eth7", "addr_info": [{"local": address} for address in addresses]}
        self.machine.program("ip", f"echo '{json.dumps([link])}'")

    def owners(self, interface: str, address: str, seconds: float) -> set[str]:
        assert interface == "eth7"
        return self.others.get(address, set())


@pytest.fixture
def network(machine: FakeHost, local: Local, monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network(machine)
    monkeypatch.setattr(arp, "owners", network.owners)
    monkeypatch.setattr(keepalived, "HELD_DEADLINE", 0.3)
    machine.unit(UNIT, "enabled inactive")
    machine.program("keepalived", "exit 143")  # as 2.2.7 ends the test of a good file
    return network


def bundle(*, last: bool = True, virtual: str = VIRTUAL, router_id: int = 80) -> Bundle:
    """One of two balancers."""
    text = f"interface {INTERFACE}\nrouter_id {router_id}\nauth_pass {secret_marker('vrrp_password')}\n"
    file = File(CONF, text, mode=0o600, check=CHECK, effect=Effect.RELOAD, units=(UNIT,))
    settings = KeepalivedSettings(OWN, virtual, (PEER,), last)
    return Bundle("lb1", "lb1-keepalived", settings, files=(file,), units=(UNIT,), secrets={"vrrp_password": PASSWORD})


def test_this_host_has_it(machine: FakeHost, local: Local, network: Network) -> None:
    network.has(OWN, VIRTUAL)
    local.apply(bundle())
    assert machine.read(CONF) == f"interface eth7\nrouter_id 80\nauth_pass {PASSWORD}\n"
    assert (machine.root / CONF.lstrip("/")).stat().st_mode & 0o777 == 0o600
    assert machine.calls() == [f"start {UNIT}"]
    local.apply(bundle())
    assert machine.calls() == []
    assert local.differences() == []
    local.apply(bundle(router_id=81))
    assert machine.calls() == [f"reload {UNIT}"]


def test_another_balancer_has_it(local: Local, network: Network) -> None:
    network.others[VIRTUAL] = {PEER_MAC}
    local.apply(bundle())
    assert local.differences() == []


def test_a_stranger_has_it(machine: FakeHost, local: Local, network: Network) -> None:
    network.others[VIRTUAL] = {STRANGER}
    before = machine.snapshot()
    with pytest.raises(ToldError, match=rf"another machine in the network has {VIRTUAL} already \(MAC {STRANGER}\)"):
        local.apply(bundle())
    assert machine.snapshot() == before
    assert machine.calls() == []


def test_a_stranger_has_the_next_one(local: Local, network: Network) -> None:
    network.has(OWN, VIRTUAL)
    local.apply(bundle())
    network.others["198.51.100.39"] = {STRANGER}
    with pytest.raises(ToldError, match=r"another machine in the network has 198\.51\.100\.39 already"):
        local.apply(bundle(virtual="198.51.100.39"))


def test_nobody_has_it(machine: FakeHost, local: Local, network: Network) -> None:
    before = machine.snapshot()
    with pytest.raises(ToldError, match="no balancer has it: is HAProxy serving"):
        local.apply(bundle())
    assert machine.snapshot() == before


def test_two_have_it_in_the_end(local: Local, network: Network) -> None:
    network.has(OWN, VIRTUAL)
    network.others[VIRTUAL] = {PEER_MAC}
    with pytest.raises(ToldError, match=rf"this host and {PEER_MAC} have {VIRTUAL} at once: let VRRP"):
        local.apply(bundle())
    local.apply(bundle(last=False))
    assert [text.partition(":")[0] for text in local.differences()] == ["this host and 02"]


def test_verify_finds_that_nobody_has_it(machine: FakeHost, local: Local, network: Network) -> None:
    network.has(OWN, VIRTUAL)
    local.apply(bundle())
    network.has(OWN)
    assert local.differences() == [f"no balancer has {VIRTUAL}"]
    network.has()
    assert local.differences() == [f"no interface has {OWN}"]


def test_status_tells_who_has_it(machine: FakeHost, local: Local, network: Network) -> None:
    network.has(OWN, VIRTUAL)
    local.apply(bundle())
    told = json.loads(machine.agent("status").stdout)["told"]
    assert list(told.values()) == [{"shared_address": {"address": VIRTUAL, "held": True}}]
    network.has(OWN)
    told = json.loads(machine.agent("status").stdout)["told"]
    assert list(told.values()) == [{"shared_address": {"address": VIRTUAL, "held": False}}]


def test_a_host_without_the_address(local: Local, network: Network) -> None:
    network.has("203.0.113.1")
    with pytest.raises(ToldError, match=f"no interface of this host has the address {OWN}"):
        local.apply(bundle())


@pytest.mark.parametrize("code", [0, 1, 143])
def test_a_file_that_keepalived_speaks_of_is_refused(
    machine: FakeHost, local: Local, network: Network, code: int
) -> None:
    machine.program("keepalived", f"echo '(Line 3) Unknown keyword nopreemt' >&2; exit {code}")
    with pytest.raises(ToldError, match=rf"keepalived -t \(exit {code}\): \(Line 3\) Unknown keyword nopreemt"):
        local.apply(bundle())
    assert not (machine.root / CONF.lstrip("/")).exists()


@pytest.mark.parametrize(("code", "is_good"), [(0, True), (1, False), (143, True)])
def test_what_keepalived_says_nothing_of(
    machine: FakeHost, local: Local, network: Network, code: int, is_good: bool
) -> None:
    network.has(OWN, VIRTUAL)
    machine.program("keepalived", f"exit {code}")
    if is_good:
        local.apply(bundle())
    else:
        with pytest.raises(ToldError, match="keepalived -t"):
            local.apply(bundle())


def test_removal_restores(machine: FakeHost, local: Local, network: Network) -> None:
    before = machine.snapshot()
    network.has(OWN, VIRTUAL)
    local.apply(bundle())
    network.has(OWN)
    local.remove(bundle())
    assert machine.snapshot() == before
