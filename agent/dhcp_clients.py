"""DHCP clients on a network of this host, for `maas-ha drill`: who gets a lease, keeps it, and how long that takes.

They share the host's interface by a packet socket. Nothing is configured on the host, so nothing is left whoever
ends this; killed by SIGKILL it gives no lease back, and the server's simply expire. They answer neither ARP nor ping,
and a dhcpd of this host itself doesn't hear them.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import ipaddress
import json
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field

from agent.commands import Commands
from agent.dhcp_client import BOUND, LOST, RENEWED, UNANSWERED, Client, Event, hardware_address
from agent.dhcp_packets import Reply, parse
from agent.errors import StepError
from agent.interfaces import interface_in
from agent.report import STDOUT, Report, write
from agent.signals import ignored

USAGE = "dhcp-clients NETWORK COUNT SECONDS-BETWEEN-RENEWALS SECONDS SEED (until the end of standard input at most)"
MOST_CLIENTS, MOST_SECONDS = 200, 3600
LAST_SECONDS = 10.0
"""At the end, for answers to what was asked before it."""
DOUBLED = "doubled"
"""An address that a client was given while another has it."""

_ETHERTYPE_IPV4, _ATTACH_FILTER = 0x0800, 26
_FILTER = (
    (0x28, 0, 0, 12),  # load the EtherType
    (0x15, 0, 6, _ETHERTYPE_IPV4),
    (0x30, 0, 0, 23),  # load the IP protocol
    (0x15, 0, 4, 17),  # UDP
    (0xB1, 0, 0, 14),  # load the length of IP's head
    (0x48, 0, 0, 16),  # load UDP's destination port
    (0x15, 0, 1, 68),
    (0x06, 0, 0, 65535),  # take it
    (0x06, 0, 0, 0),  # leave it
)
"""Classic BPF (code, jump if true, jump if false, operand), so that the host's other packets cost nothing."""


@dataclass
class Summary:
    """What the clients saw in all."""

    clients: int
    bound: int = 0
    """Clients that were ever given a lease."""
    asks: int = 0
    timed_out: int = 0
    """Messages without an answer in time, repetitions too."""
    longest_wait: float = 0.0
    """Seconds from the beginning of an ask to its end, answered or not."""
    lost: int = 0
    """Leases that were refused, ran out, weren't renewed, or became another address."""
    doubled: int = 0


@dataclass
class Clients:
    """All of them, what they have, and what is told of it; times are monotonic."""

    clients: list[Client]
    summary: Summary = field(init=False)
    holders: dict[str, Client] = field(default_factory=dict)
    """Address → who was given it last."""

    def __post_init__(self) -> None:
        self.summary = Summary(len(self.clients))
        self._by_mac = {client.mac: client for client in self.clients}
        self._bound: set[str] = set()

    def due(self) -> float:
        """Instant at which the next of them has something to do."""
        return min(client.due() for client in self.clients)

    def act(self, now: float) -> None:
        """Have each do what is due."""
        for client in self.clients:
            if client.due() <= now:
                client.act(now)

    def receive(self, reply: Reply, now: float) -> None:
        """Give an answer to whom it is for."""
        if client := self._by_mac.get(reply.mac):
            client.receive(reply, now)

    def told(self) -> list[Event]:
        """What happened since the last time, counted; those who got an address that another has, too."""
        told = []
        for client in self.clients:
            for event in client.events:
                told += [event, *self._count(client, event)]
            client.events.clear()
        return told

    def frames(self) -> list[bytes]:
        """What is to be sent now."""
        found = [frame for client in self.clients for frame in client.frames]
        for client in self.clients:
            client.frames.clear()
        return found

    def _count(self, client: Client, event: Event) -> list[Event]:
        summary = self.summary
        if event.event in (BOUND, RENEWED, LOST, UNANSWERED):
            summary.longest_wait = max(summary.longest_wait, event.waited)
        summary.timed_out += event.event == UNANSWERED
        summary.lost += event.event == LOST
        if event.event != BOUND:
            return []
        self._bound.add(event.mac)
        summary.bound = len(self._bound)
        holder = self.holders.get(event.address)
        self.holders[event.address] = client
        if holder in (None, client) or not holder.lease or holder.lease.address != event.address:
            return []
        summary.doubled += 1
        return [dataclasses.replace(event, event=DOUBLED, why=f"{holder.mac.hex(':')} has it")]


def is_dhcp_clients(arguments: list[str]) -> bool:
    """True for `dhcp-clients` with five arguments that make sense."""
    match arguments:
        case ["dhcp-clients", network, count, every, seconds, _]:
            with contextlib.suppress(ValueError):
                ipaddress.IPv4Network(network)
                return 0 < int(count) <= MOST_CLIENTS and 0 < float(every) <= float(seconds) <= MOST_SECONDS
    return False


def dhcp_clients(report: Report, arguments: list[str]) -> None:
    """Run them: one line of JSON for each event, then a summary. Raises `StepError` or `OSError`.

    Needs root. The servers must be in the network itself, for no relay finds its way to a client without an address.
    """
    network, count, every, seconds = arguments[1], int(arguments[2]), float(arguments[3]), float(arguments[4])
    interface = interface_in(Commands(report), network)
    if not interface:
        raise StepError(f"no interface of this host has an address in {network}")
    with contextlib.closing(_link(interface)) as link:
        report.say(f"{count} DHCP clients on {interface}")
        now = time.monotonic()
        begins = [now + number * every / count for number in range(count)]
        clients = [Client(hardware_address(arguments[5], n), every, begin) for n, begin in enumerate(begins)]
        _Run(link, Clients(clients)).run(now + seconds)


@dataclass
class _Run:
    """The clients at work on a link."""

    link: socket.socket
    clients: Clients
    ahead: float = field(default_factory=lambda: time.time() - time.monotonic())
    """Unix time less monotonic time."""

    def run(self, deadline: float) -> None:
        try:
            while not self._step(deadline, input_too=True):
                pass
            for client in self.clients.clients:
                client.begins = float("inf")
            last = time.monotonic() + LAST_SECONDS
            while any(client.is_waiting for client in self.clients.clients) and not self._step(last, input_too=False):
                pass
        finally:
            with ignored():
                for client in self.clients.clients:
                    client.end(time.monotonic())
                self._out(time.monotonic())
                self.clients.summary.asks = sum(client.asks for client in self.clients.clients)
                self._line("summary", dataclasses.asdict(self.clients.summary), time.monotonic())

    def _step(self, deadline: float, *, input_too: bool) -> bool:
        """Do what is due, then wait for what comes; True at the deadline, or where standard input has ended."""
        self.clients.act(now := time.monotonic())
        self._out(now)
        if now >= deadline:
            return True
        wait = max(0.0, min(deadline, self.clients.due()) - now)
        ready, _, _ = select.select([self.link.fileno(), *([0] if input_too else [])], [], [], wait)
        with contextlib.suppress(BlockingIOError):
            while True:
                if reply := parse(self.link.recv(65536)):
                    self.clients.receive(reply, time.monotonic())
        self._out(time.monotonic())
        return 0 in ready and not os.read(0, 4096)

    def _out(self, now: float) -> None:
        for frame in self.clients.frames():
            self.link.send(frame)
        for event in self.clients.told():
            self._line(event.event, dataclasses.asdict(event), now)

    def _line(self, event: str, fields: dict[str, object], now: float) -> None:
        write(STDOUT, json.dumps({"time": round(now + self.ahead, 3), "event": event, **fields}) + "\n")


def _link(interface: str) -> socket.socket:
    """A socket for the DHCP answers that come in by `interface`, and for whole frames out of it."""
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)
    held = ctypes.create_string_buffer(program)
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK)
    try:
        link.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(held)))
        link.bind((interface, _ETHERTYPE_IPV4))
    except OSError:
        link.close()
        raise
    return link
