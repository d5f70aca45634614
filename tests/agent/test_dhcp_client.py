"""What a client does with its lease, by a clock and a server of the test's own."""

from __future__ import annotations

import pytest

from agent.dhcp_client import RETRY_SECONDS, Client, Event, hardware_address
from agent.dhcp_clients import Clients, Summary
from agent.dhcp_packets import DISCOVER, NOWHERE, RELEASE, REQUEST, parse
from tests.agent.dhcp_server import ACK, NAK, OFFER, SERVER, SERVER_MAC, Asked, answer, read

FIRST, OTHER, SECOND = "198.51.100.100", "198.51.100.101", "198.51.100.32"


class Network:
    """Clients, and the frames that they sent."""

    def __init__(self, count: int = 1) -> None:
        made = [Client(hardware_address("a seed", number), every=5.0, begins=0.0) for number in range(count)]
        self.clients = Clients(made)
        self.sent: list[bytes] = []
        self.told: list[Event] = []

    def act(self, now: float) -> list[Asked]:
        """Let time come to `now`; what is sent then."""
        self.clients.act(now)
        return self._look()

    def answer(self, now: float, kind: int, address: str = FIRST, who: int = 0, **options: object) -> list[Asked]:
        """Answer the last frame of client number `who`; what it sends then."""
        mac = self.clients.clients[who].mac
        frame = next(frame for frame in reversed(self.sent) if frame[6:12] == mac)
        reply = parse(answer(frame, kind, address, **options))  # type: ignore[arg-type]
        assert reply
        self.clients.receive(reply, now)
        return self._look()

    def bind(self, now: float = 0.0, address: str = FIRST, who: int = 0, lease: int = 600) -> None:
        """From nothing to a lease."""
        self.act(now)
        self.answer(now, OFFER, address, who, lease=lease)
        self.answer(now, ACK, address, who, lease=lease)

    def events(self) -> list[tuple[str, str, str]]:
        """What was told since the last time."""
        found = [(event.event, event.address, event.why) for event in self.told]
        self.told.clear()
        return found

    def _look(self) -> list[Asked]:
        self.told += self.clients.told()
        frames = self.clients.frames()
        self.sent += frames
        return [read(frame) for frame in frames]


def test_from_nothing_to_a_lease() -> None:
    network = Network()
    [discover] = network.act(0.0)
    assert (discover.kind, discover.options.get(50)) == (DISCOVER, None)
    [request] = network.answer(1.0, OFFER)
    assert (request.kind, request.own, request.seconds) == (REQUEST, NOWHERE, 1)
    assert network.answer(1.0, OFFER, OTHER, server=SECOND) == []
    assert network.answer(1.5, ACK) == []
    assert network.events() == [("offered", FIRST, ""), ("bound", FIRST, "")]
    assert network.clients.summary == Summary(1, bound=1, longest_wait=1.5)


def test_it_renews_at_a_steady_pace_whatever_an_answer_takes() -> None:
    network = Network()
    network.bind()
    assert network.act(4.9) == []
    [renewal] = network.act(5.0)
    assert (renewal.kind, renewal.own, renewal.to, renewal.to_mac) == (REQUEST, FIRST, SERVER, SERVER_MAC)
    network.answer(6.0, ACK)
    assert network.clients.due() == 10.0


def test_it_asks_its_server_twice_and_then_everybody() -> None:
    network = Network()
    network.bind()
    asked = [network.act(5.0 + step * RETRY_SECONDS)[0] for step in range(4)]
    assert [(one.to, one.seconds) for one in asked] == [
        (SERVER, 0),
        (SERVER, 2),
        ("255.255.255.255", 4),
        ("255.255.255.255", 6),
    ]
    assert len({one.transaction for one in asked}) == 1
    network.answer(11.5, ACK, server=SECOND)
    assert network.events()[2:] == [("timed out", FIRST, "")] * 3 + [("renewed", FIRST, "")]
    assert network.told == []
    assert network.act(16.5)[0].to == SECOND
    summary = network.clients.summary
    assert (summary.timed_out, summary.longest_wait, summary.lost) == (3, 6.5, 0)


def test_answers_to_what_it_no_longer_asks_change_nothing() -> None:
    network = Network()
    network.bind()
    network.answer(0.1, NAK)
    network.answer(0.2, ACK, OTHER, server=SECOND)
    network.act(5.0)
    renewal = network.sent[-1]
    network.answer(5.1, ACK)
    reply = parse(answer(renewal, NAK))
    assert reply
    network.clients.receive(reply, 5.2)
    assert network.clients.told() == []
    lease = network.clients.clients[0].lease
    assert lease
    assert (lease.address, lease.server) == (FIRST, SERVER)


@pytest.mark.parametrize("kind", [ACK, NAK])
def test_without_an_offer_only_an_offer_counts(kind: int) -> None:
    network = Network()
    network.act(0.0)
    assert network.answer(0.1, kind) == []
    assert network.events() == []


class TestLosses:
    """Each is counted once."""

    def test_a_refusal(self) -> None:
        network = Network()
        network.bind()
        network.act(5.0)
        network.answer(5.1, NAK, NOWHERE)
        assert network.events()[2:] == [("nak", FIRST, ""), ("lost", FIRST, f"{SERVER} refused it")]
        assert network.act(5.2) == [], "a server that refuses isn't asked without pause"
        [discover] = network.act(7.1)
        assert (discover.kind, discover.options[50]) == (DISCOVER, bytes(map(int, FIRST.split("."))))
        assert network.clients.summary.lost == 1

    def test_another_address(self) -> None:
        network = Network()
        network.bind()
        network.act(5.0)
        network.answer(5.1, ACK, OTHER)
        assert network.events()[2:] == [("lost", FIRST, f"{SERVER} gave {OTHER} instead"), ("bound", OTHER, "")]
        assert (network.clients.summary.lost, network.clients.summary.doubled) == (1, 0)

    def test_it_runs_out(self) -> None:
        network = Network()
        network.bind(lease=12)
        for second in range(1, 12):
            network.act(float(second))
        assert network.clients.due() == 12.0
        [discover] = network.act(12.0)
        assert (discover.kind, discover.own) == (DISCOVER, NOWHERE)
        assert network.events()[-1] == ("lost", FIRST, "it ran out")
        assert network.clients.summary.longest_wait == 7.0

    def test_nobody_renewed_it_by_the_end_and_it_is_given_back_all_the_same(self) -> None:
        network = Network(2)
        network.bind()
        network.answer(0.0, OFFER, OTHER, who=1)
        network.answer(0.0, ACK, OTHER, who=1)
        network.act(5.0)
        network.answer(5.0, ACK)
        network.events()
        for client in network.clients.clients:
            client.end(9.0)
        given_back = [(release.kind, release.own, release.to) for release in network._look()]
        assert given_back == [(RELEASE, FIRST, SERVER), (RELEASE, OTHER, SERVER)]
        assert network.events() == [("lost", OTHER, "nobody renewed it")]

    def test_who_never_had_one_loses_none(self) -> None:
        network = Network()
        network.act(0.0)
        network.clients.clients[0].end(9.0)
        assert network._look() == []
        assert network.clients.summary == Summary(1)


class TestDoubles:
    """One address by two clients at a time."""

    def test_given_while_another_has_it(self) -> None:
        network = Network(2)
        network.bind()
        network.answer(0.0, OFFER, FIRST, who=1, server=SECOND)
        network.answer(0.0, ACK, FIRST, who=1, server=SECOND)
        holder = network.clients.clients[0].mac.hex(":")
        assert network.events()[-2:] == [("bound", FIRST, ""), ("doubled", FIRST, f"{holder} has it")]
        assert network.clients.summary.doubled == 1

    def test_given_once_another_has_lost_it(self) -> None:
        network = Network(2)
        network.bind()
        network.clients.clients[0].lease = None
        network.answer(0.0, OFFER, FIRST, who=1)
        network.answer(0.0, ACK, FIRST, who=1)
        assert network.clients.summary.doubled == 0


def test_hardware_addresses_are_local_and_the_same_each_time() -> None:
    made = [hardware_address("a seed", number) for number in range(200)]
    assert made == [hardware_address("a seed", number) for number in range(200)]
    assert len({*made, hardware_address("another seed", 0)}) == 201
    assert {mac[0] for mac in made} == {2}
