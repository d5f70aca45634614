"""A region takes no new connections from any balancer, and those that it has end, before it is restarted.

Being drained is a lock that the agent's process holds: `drain_responder` tells the balancers of it. So an agent that is
killed, or a host that reboots, leaves no region drained.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress

from agent.balancer_view import LONG_LIVED, Server, view
from agent.bundle import RegionSettings
from agent.errors import StepError
from agent.machine import Work
from agent.rpc_connections import connected_to

LOCK = "/run/maas-ha-drain"
"""Held while this region is drained."""
UNIT = "maas-ha-drain.service"
API_PORT, BALANCED_PORT = 5240, 80
"""Of the API, on a region and on a balancer."""
HEARD_DEADLINE = 60.0
"""Seconds until every balancer sends nothing new here, or all again; a balancer asks for its health twice."""
CONNECTIONS_DEADLINE = 180.0
"""Seconds for connections to end: nginx keeps an idle one for 75 s, a websocket lasts as long as its browser likes."""
ALONE_DEADLINE = 10.0
"""The same where no other region serves meanwhile: idle ones aren't worth a longer time without MAAS."""


class Drain:
    """Of one region, at all of its balancers."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self._work = work
        self._settings = settings
        self._lock: int | None = None
        self._routes: dict[str, set[str]] = {}
        """Balancer → routes on which it sent connections here before."""

    @property
    def is_held(self) -> bool:
        """True between `begin` and `end`."""
        return self._lock is not None

    def begin(self, *, alone: bool = False) -> None:
        """Have every balancer send its connections elsewhere and wait until those that are here have ended.

        Where it is `alone`, balancers refuse new connections meanwhile. Raises `StepError` if it isn't and one of them
        has no other region, or doesn't hear of it.
        """
        work = self._work
        work.report.step("drain this region")
        state = work.units.state(UNIT)
        if state.loaded and not state.active:
            work.units.change("start", UNIT, state)
        if not alone:
            work.wait("another region that every balancer calls up", HEARD_DEADLINE, self._without_other)
        for address in self._settings.balancers:
            mine = self._mine(self._seen_at(address))
            self._routes[address] = {server.route for server in mine if server.takes_new}
        self._take_lock()
        work.wait("balancers that send nothing new to this region", HEARD_DEADLINE, self._still_sending)
        work.report.step("wait for requests in flight")
        try:
            deadline = ALONE_DEADLINE if alone else CONNECTIONS_DEADLINE
            work.wait("the end of all connections", deadline, self._still_open)
        except StepError as error:
            work.report.say(f"{error.cause}: these are cut off, as websockets and idle clients are")

    def begin_stopped(self) -> None:
        """The same for a region that doesn't run: once it does, it gets nothing new before `end`."""
        for address in self._settings.balancers:
            servers = self._seen_at(address)
            self._routes[address] = {s.route for s in servers if s.takes_new and s.region != self._name}
        self._take_lock()

    def end_stopped(self) -> None:
        """The region has stopped: the drain ends once every balancer's own checks say so. Raises `StepError`."""
        if self.is_held:
            self._work.wait("balancers that call this region down", HEARD_DEADLINE, self._not_down)
            self.release()

    def end(self) -> None:
        """Take new connections again, and wait until every balancer sends them. Raises `StepError`."""
        if not self.is_held:
            return
        self._work.report.step("end the drain")
        self.release()
        self._work.wait("balancers that call this region up", HEARD_DEADLINE, self._not_up)

    def release(self) -> None:
        """Take new connections again; the balancers' own health checks decide when they come."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        self._lock = os.open(self._work.paths.at(LOCK), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _without_other(self) -> str:
        return next(filter(None, map(self._only_here, self._settings.balancers)), "")

    def _only_here(self, address: str) -> str:
        servers = self._seen_at(address)
        others = {server.route for server in servers if server.takes_new and server.region != self._name}
        alone = [s.route for s in self._mine(servers) if s.takes_new and s.route not in others]
        return f"the balancer at {address} has no other for {', '.join(alone)}" if alone else ""

    def _still_sending(self) -> str:
        sending = [
            f"{address} ({server.route})"
            for address in self._settings.balancers
            for server in self._mine(self._seen_at(address))
            if server.takes_new
        ]
        return f"not yet heard at {', '.join(sending)}" if sending else ""

    def _still_open(self) -> str:
        """What balancers count, and what the kernel has of a HAProxy that was replaced by a reload meanwhile."""
        here = [self._mine(self._seen_at(address)) for address in self._settings.balancers]
        counted = sum(server.sessions for servers in here for server in servers if server.route not in LONG_LIVED)
        ports = {API_PORT, self._settings.tls_port or API_PORT}
        known = sum(address in self._settings.balancers for address, _ in connected_to(self._work.paths, ports))
        number = max(counted, known)
        return f"{number} connection{'' if number == 1 else 's'} through balancers" if number else ""

    def _not_up(self) -> str:
        for address, routes in self._routes.items():
            down = [s for s in self._mine(self._seen_at(address)) if s.route in routes and s.status != "UP"]
            if down:
                return f"{address} calls it {', '.join(f'{server.status} on {server.route}' for server in down)}"
        return ""

    def _not_down(self) -> str:
        for address, routes in self._routes.items():
            up = [
                s for s in self._mine(self._seen_at(address)) if s.route in routes and not s.status.startswith("DOWN")
            ]
            if up:
                return f"{address} calls it {', '.join(f'{server.status} on {server.route}' for server in up)}"
        return ""

    def _seen_at(self, address: str) -> list[Server]:
        """What a balancer thinks; nothing of one that is away, for that one sends nothing. Raises `StepError`."""
        try:
            return view(address, self._settings.view_port)
        except OSError as error:
            with suppress(OSError), socket.create_connection((address, BALANCED_PORT), timeout=5):
                raise StepError(
                    f"the balancer at {address} serves, but its port {self._settings.view_port} doesn't tell this"
                    f" region whether it is drained ({error}): let this host reach that port, then apply again"
                ) from None
            return []

    @property
    def _name(self) -> str:
        return self._work.bundle.host

    def _mine(self, servers: list[Server]) -> list[Server]:
        return [server for server in servers if server.region == self._name]
