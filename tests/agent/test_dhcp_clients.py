"""DHCP clients of a host against real ISC dhcpd, each host in a network namespace of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from agent.leases import failover_states
from tests.agent.conftest import REPOSITORY
from tests.lab.standin.daemons.network import Network, ip

pytestmark = pytest.mark.lab

DEADLINE = 180.0
SUBNET = """authoritative;
ddns-update-style none;
{peer}
subnet {network} netmask 255.255.255.0 {{
    default-lease-time {lease};
    max-lease-time {lease};
    pool {{ {failover} range {first} {last}; }}
}}
"""
PEER = """failover peer "pair" {{
    {role}; address {own}; peer address {other};
    max-response-delay 30; max-unacked-updates 10; load balance max seconds 3; {more}
}}
"""
Event = dict[str, object]


class Dhcpd:
    """A real dhcpd in a namespace."""

    def __init__(self, namespace: str, folder: Path, configuration: str) -> None:
        self.namespace, self.folder = namespace, folder
        folder.mkdir()
        (folder / "dhcpd.conf").write_text(configuration)
        (folder / "leases").touch()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, again after its end too."""
        options = ("-cf", "dhcpd.conf", "-lf", "leases", "-pf", "pid", "eth0")
        argv = ("ip", "netns", "exec", self.namespace, "dhcpd", "-4", "-f", "-q", "--no-pid", *options)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, cwd=self.folder, stdout=log, stderr=log)
        return self.process

    def kill(self) -> None:
        """As a power failure would."""
        self.process.kill()
        self.process.wait()

    def leases(self) -> str:
        """Its lease file."""
        return (self.folder / "leases").read_text()

    def bindings(self) -> dict[str, str]:
        """Address → binding state, as it was written last."""
        found = re.findall(r"^lease (\S+) \{.*?^  binding state (\w+);", self.leases(), re.DOTALL | re.MULTILINE)
        return dict(found)

    def is_normal(self) -> bool:
        """Whether the pair is, by what it wrote last."""
        state = failover_states(self.folder / "leases").get("pair")
        return state is not None and state.is_normal


class Drilled:
    """The agent's clients under way, and what they have told."""

    def __init__(self, namespace: str, network: str, count: int, every: float, seconds: int = 600) -> None:
        arguments = ("dhcp-clients", network, str(count), str(every), str(seconds), "tests")
        argv = ("ip", "netns", "exec", namespace, sys.executable, "-m", "agent", *arguments)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.told: list[Event] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._changed:
                self.told.append(json.loads(line))
                self._changed.notify_all()

    def wait(self, what: str, reached: Callable[[list[Event]], bool]) -> list[Event]:
        """Until what was told makes `reached` true; what was told."""
        with self._changed:
            assert self._changed.wait_for(lambda: reached(self.told), DEADLINE), (what, self.told[-20:])
            return list(self.told)

    def all_bound(self, count: int) -> dict[str, str]:
        """Wait for a lease for each; MAC → address."""
        told = self.wait(f"{count} are bound", lambda told: len(addresses(told)) == count)
        return addresses(told)

    def end(self) -> Event:
        """Close its standard input; the summary."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(DEADLINE) == 0, self.complaint()
        self._reader.join()
        assert self.told[-1]["event"] == "summary"
        return self.told[-1]

    def complaint(self) -> str:
        """Its standard error, once it has ended."""
        assert self.process.stderr
        return self.process.stderr.read()

    def close(self) -> None:
        """Leave nothing, whatever the test did."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream
            stream.close()


class Site:
    """Hosts 1 and 2 may have a dhcpd, host 3 has the clients."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.network = Network()
        stack.callback(self.network.remove)
        self.hosts = {number: self._host(number) for number in (11, 12, 13)}

    def _host(self, number: int) -> str:
        name = self.network.add(number)
        self.stack.callback(self.network.drop, name)
        return name

    def dhcpd(self, number: int, failover: str = "", lease: int = 600) -> Dhcpd:
        """Start one with a pool of twenty addresses."""
        first, last = self.network.address(100), self.network.address(119)
        peer = ""
        if failover:
            own, other = self.network.address(number), self.network.address(23 - number)
            more = "mclt 60; split 128;" if failover == "primary" else ""
            peer = PEER.format(role=failover, own=own, other=other, more=more)
        subnet = self.network.address(0)
        in_pair = 'failover peer "pair";' if failover else ""
        text = SUBNET.format(peer=peer, network=subnet, lease=lease, failover=in_pair, first=first, last=last)
        made = Dhcpd(self.hosts[number], self.folder / str(number), text)
        self.stack.callback(made.kill)
        return made

    def clients(self, count: int, every: float) -> Drilled:
        """Start clients on host 13."""
        made = Drilled(self.hosts[13], self.network.cidr, count, every)
        self.stack.callback(made.close)
        return made

    def configured(self) -> list[object]:
        """What host 13 has of links, their flags and addresses."""
        return cast("list[object]", json.loads(ip("-n", self.hosts[13], "-4", "-json", "address", "show")))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def addresses(told: list[Event]) -> dict[str, str]:
    """MAC → the address that it was given last."""
    return {str(event["mac"]): str(event["address"]) for event in told if event["event"] in ("bound", "renewed")}


def renewed_by(told: list[Event], server: str) -> set[str]:
    """MACs whose last renewal is this server's."""
    last = {str(event["mac"]): event["server"] for event in told if event["event"] in ("bound", "renewed")}
    return {mac for mac, by in last.items() if by == server}


def eventually(what: str, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_leases_are_renewed_and_given_back(site: Site) -> None:
    before = site.configured()
    server = site.dhcpd(11)
    clients = site.clients(5, every=0.5)
    held = clients.all_bound(5)
    assert len(set(held.values())) == 5
    clients.wait("each is renewed thrice", lambda told: sum(one["event"] == "renewed" for one in told) >= 15)
    summary = clients.end()
    assert {name: summary[name] for name in ("clients", "bound", "lost", "doubled")} == {
        "clients": 5,
        "bound": 5,
        "lost": 0,
        "doubled": 0,
    }
    assert cast("int", summary["asks"]) >= 20
    assert addresses(clients.told) == held
    eventually("all are free", lambda: {server.bindings()[address] for address in held.values()} == {"free"})
    assert site.configured() == before


def test_killed_it_leaves_nothing_and_the_next_one_has_the_same_addresses(site: Site) -> None:
    before = site.configured()
    server = site.dhcpd(11)
    clients = site.clients(3, every=1.0)
    held = clients.all_bound(3)
    clients.process.kill()
    clients.process.wait()
    assert site.configured() == before
    assert {server.bindings()[address] for address in held.values()} == {"active"}
    again = site.clients(3, every=1.0)
    assert again.all_bound(3) == held
    assert again.end()["lost"] == 0


def test_a_signal_ends_it_and_the_leases_are_given_back(site: Site) -> None:
    server = site.dhcpd(11)
    clients = site.clients(3, every=3.0)
    held = clients.all_bound(3)
    clients.process.terminate()
    assert clients.process.wait(DEADLINE) == 1
    assert clients.complaint().splitlines()[-1].endswith("stopped by SIGTERM")
    eventually("all are free", lambda: {server.bindings()[address] for address in held.values()} == {"free"})


def test_leases_that_nobody_renews_are_lost(site: Site) -> None:
    server = site.dhcpd(11, lease=8)
    clients = site.clients(2, every=1.0)
    held = clients.all_bound(2)
    server.kill()
    told = clients.wait("both are lost", lambda told: sum(one["event"] == "lost" for one in told) == 2)
    lost = [event for event in told if event["event"] == "lost"]
    assert {str(event["mac"]): event["address"] for event in lost} == held
    assert {event["why"] for event in lost} == {"it ran out"}
    summary = clients.end()
    assert (summary["lost"], summary["bound"]) == (2, 2)
    assert cast("int", summary["timed_out"]) >= 4


def test_one_of_a_pair_is_killed_and_comes_back(site: Site) -> None:
    """Whichever gave a lease, the other renews it, and nobody else gets it."""
    first, second = site.dhcpd(11, "primary"), site.dhcpd(12, "secondary")
    eventually("the pair is normal", lambda: first.is_normal() and second.is_normal())
    clients = site.clients(8, every=1.0)
    held = clients.all_bound(8)
    mine, other = site.network.address(11), site.network.address(12)
    first.kill()
    clients.wait("the other serves all", lambda told: renewed_by(told, other) == held.keys())
    eventually("the other is alone", lambda: not second.is_normal())
    first.start()
    # What it wrote before it was killed is in its own file still: the other one's word counts.
    eventually("the pair is normal again", lambda: second.is_normal() and first.is_normal())
    second.kill()
    clients.wait("the first serves all", lambda told: renewed_by(told, mine) == held.keys())
    summary = clients.end()
    assert (summary["bound"], summary["lost"], summary["doubled"]) == (8, 0, 0)
    assert addresses(clients.told) == held
    assert cast("int", summary["timed_out"]) >= 1
    waited = [event for event in clients.told if event["event"] == "renewed"]
    assert summary["longest_wait"] == max(cast("float", event["waited"]) for event in [*waited, *clients.told[:-1]])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("198.51.100.0/24", "0", "1", "10", "seed"),
        ("198.51.100.0/24", "201", "1", "10", "seed"),
        ("198.51.100.0/24", "5", "20", "10", "seed"),
        ("198.51.100.0/24", "5", "nan", "10", "seed"),
        ("198.51.100.7/24", "5", "1", "10", "seed"),
    ],
)
def test_arguments_that_make_no_sense(arguments: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "agent", "dhcp-clients", *arguments]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: maas-ha-agent dhcp-clients NETWORK COUNT ")


def test_a_network_that_the_host_is_not_in() -> None:
    argv = [sys.executable, "-m", "agent", "dhcp-clients", "233.252.0.0/30", "1", "1", "10", "seed"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("no interface of this host has an address in 233.252.0.0/30")
