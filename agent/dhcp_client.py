"""One DHCP client: what it sends when, and what it makes of the answers. It has neither socket nor clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from agent.dhcp_packets import ACK, DISCOVER, OFFER, RELEASE, REQUEST, Message, Reply

RETRY_SECONDS = 2.0
"""Without an answer to one message; a server takes one to see whether somebody has the address that it offers."""
TRIES_OF_ITS_SERVER = 2
"""Before a client asks any server for the renewal, as it does at T2 (RFC 2131 §4.4.5)."""

OFFERED, BOUND, RENEWED, REFUSED, UNANSWERED, LOST = "offered", "bound", "renewed", "nak", "timed out", "lost"
"""Kinds of events."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a client."""

    mac: str
    event: str
    address: str = ""
    server: str = ""
    """Server identifier of whoever answered; of `timed out` and `lost`, the server that gave the lease."""
    lease: int = 0
    """Seconds that the server gave."""
    waited: float = 0.0
    """Seconds since the client began to ask."""
    why: str = ""
    """How a lease was lost."""


@dataclass(frozen=True)
class Lease:
    """What a client has."""

    address: str
    server: str
    via: bytes
    """MAC address that the server was reached at."""
    expires: float
    """Monotonic seconds."""


@dataclass
class _Ask:
    """One message with its repetitions, until it is answered."""

    begun: float
    sent: float
    transaction: int
    tries: int = 1
    offer: Reply | None = None


@dataclass
class Client:
    """A client of its own hardware address, which renews its lease every so often.

    It renews more often than a lease's half, so that a drill of a minute sees what a day would.
    """

    mac: bytes
    every: float
    """Seconds from one ask to the next."""
    begins: float
    """Monotonic instant of its first ask."""
    lease: Lease | None = None
    events: list[Event] = field(default_factory=list)
    """What happened since somebody looked."""
    frames: list[bytes] = field(default_factory=list)
    """What is to be sent."""
    asks: int = 0
    _ask: _Ask | None = None
    _before: str = ""
    """The address that it had last."""

    @property
    def is_waiting(self) -> bool:
        """True while it has no answer."""
        return self._ask is not None

    def due(self) -> float:
        """Monotonic instant at which `act` has something to do."""
        instants = [self._ask.sent + RETRY_SECONDS if self._ask else self.begins]
        return min([*instants, self.lease.expires] if self.lease else instants)

    def act(self, now: float) -> None:
        """Do what is due: lose a lease that ran out, ask, or ask again."""
        if self.lease and now >= self.lease.expires:
            self._lose(now, "it ran out")
            self._ask, self.begins = None, now
        if self._ask is None:
            if now >= self.begins:
                self.asks += 1
                seed = b"%s %d" % (self.mac, self.asks)
                transaction = int.from_bytes(hashlib.sha256(seed).digest()[:4], "big")
                self._ask = _Ask(now, now, transaction)
                self._send(now)
        elif now >= self._ask.sent + RETRY_SECONDS:
            self._tell(UNANSWERED, now, self.lease.address if self.lease else "", self._server())
            self._ask.offer = None
            self._ask.tries += 1
            self._send(now)

    def receive(self, reply: Reply, now: float) -> None:
        """Take an answer; one that isn't to what it asks now, say a second server's, changes nothing."""
        ask = self._ask
        if ask is None or (reply.mac, reply.transaction) != (self.mac, ask.transaction):
            return
        if reply.kind == OFFER:
            if self.lease is None and ask.offer is None:
                ask.offer = reply
                self._tell(OFFERED, now, reply.address, reply.server, reply.lease)
                self._send(now)
        elif self.lease is None and ask.offer is None:
            return
        elif reply.kind == ACK:
            self._take(reply, now)
        else:
            self._tell(REFUSED, now, self.lease.address if self.lease else "", reply.server)
            if self.lease:
                self._lose(now, f"{reply.server} refused it")
            self._ask, self.begins = None, now + RETRY_SECONDS

    def end(self, now: float) -> None:
        """Ask no more. A lease that nobody has renewed yet counts as lost; it is given back like any other."""
        if self.lease:
            address, server, via = self.lease.address, self.lease.server, self.lease.via
            self.frames.append(Message(RELEASE, self.mac, 0, 0, address, "", server, server, via).frame())
            if self._ask:
                self._lose(now, "nobody renewed it")
        self.lease, self._ask = None, None

    def _take(self, reply: Reply, now: float) -> None:
        assert self._ask  # noqa: S101 - `receive` has looked
        if self.lease and reply.address != self.lease.address:
            self._lose(now, f"{reply.server} gave {reply.address} instead")
        self._tell(RENEWED if self.lease else BOUND, now, reply.address, reply.server, reply.lease)
        # It counts from the first message that asked, as the server can't have counted from an earlier one.
        self.lease = Lease(reply.address, reply.server, reply.via, self._ask.begun + reply.lease)
        self._before = reply.address
        self.begins = max(now, self._ask.begun + self.every)
        self._ask = None

    def _send(self, now: float) -> None:
        assert self._ask  # noqa: S101 - only what is asked is sent
        ask, lease = self._ask, self.lease
        ask.sent = now
        seconds = int(now - ask.begun)
        if lease and ask.tries <= TRIES_OF_ITS_SERVER:
            to, via = lease.server, lease.via
            message = Message(REQUEST, self.mac, ask.transaction, seconds, lease.address, to=to, to_mac=via)
        elif lease:
            message = Message(REQUEST, self.mac, ask.transaction, seconds, lease.address)
        elif ask.offer:
            address, server = ask.offer.address, ask.offer.server
            message = Message(REQUEST, self.mac, ask.transaction, seconds, requested=address, server=server)
        else:
            message = Message(DISCOVER, self.mac, ask.transaction, seconds, requested=self._before)
        self.frames.append(message.frame())

    def _lose(self, now: float, why: str) -> None:
        if self.lease:
            self._tell(LOST, now, self.lease.address, self.lease.server, why=why)
        self.lease = None

    def _server(self) -> str:
        return self.lease.server if self.lease else ""

    def _tell(self, event: str, now: float, address: str, server: str, lease: int = 0, why: str = "") -> None:
        waited = round(now - self._ask.begun, 3) if self._ask else 0.0
        self.events.append(Event(self.mac.hex(":"), event, address, server, lease, waited, why))


def hardware_address(seed: str, number: int) -> bytes:
    """A locally administered MAC address, the same for the same seed and number."""
    return b"\x02" + hashlib.sha256(f"{seed} {number}".encode()).digest()[:5]
