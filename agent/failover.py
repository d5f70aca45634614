"""One dhcpd of a failover pair, as its files and its connections show it (maas-facts §6)."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Collection
from dataclasses import dataclass

from agent import disk
from agent.leases import FailoverState, failover_states, without_state
from agent.paths import Paths
from agent.sockets import ESTABLISHED, LISTENING, Socket, listed

PORT = 647
"""TCP port of the failover protocol, on both sides."""
CLIENTS_PORT = 67
"""UDP port of DHCP servers."""
PEER = re.compile(r'^\s*failover\s+peer\s+"(?P<name>[^"]*)"\s*\{(?P<body>[^}]*)\}', re.MULTILINE)
STATEMENT = re.compile(r"\b(?P<key>primary|secondary|peer\s+address|address)\b\s*(?P<value>[0-9.]*)\s*;")


@dataclass(frozen=True)
class Peer:
    """A failover peer as dhcpd.conf declares it."""

    name: str
    role: str
    """`primary` or `secondary`."""
    address: str
    partner: str


@dataclass(frozen=True)
class Dhcpd:
    """The dhcpd of this host that reads `conf` and writes `leases`."""

    paths: Paths
    conf: str
    leases: str

    def peers(self) -> dict[str, Peer]:
        """Every peer that the configuration declares; none where there is no configuration."""
        return declared(self._configuration())

    def state(self, name: str) -> FailoverState | None:
        """What dhcpd last wrote about a peer; it may be of the time before a restart."""
        return failover_states(self.paths.at(self.leases)).get(name)

    def unsettled(self, name: str, role: str = "", partners: Collection[str] = ()) -> str:
        """Why the pair isn't as it is to be, or "".

        The lease file alone may speak of the partner before: the configuration must name one of `partners` (any, if
        none is given) and there must be a connection to it.
        """
        peer = self.peers().get(name)
        if peer is None or (role and peer.role != role) or (partners and peer.partner not in partners):
            return f"dhcpd here doesn't serve {name} yet"
        state = self.state(name)
        if state is None:
            return f"dhcpd here hasn't written a state of {name} yet"
        if not state.is_settled:
            return f"dhcpd here says {state} (its own state/its partner's)"
        return "" if self.is_connected(peer.partner) else f"dhcpd here has no connection to {peer.partner} port {PORT}"

    def told(self, name: str) -> str:
        """`own state/partner's state`; the lease file's word alone, which outlives dhcpd, is called the last one."""
        peer, state = self.peers().get(name), self.state(name)
        if peer is None:
            return "no failover peer"
        if self.is_connected(peer.partner):
            return str(state) if state else "unknown"
        return f"no connection to {peer.partner}, last {state}" if state else f"no connection to {peer.partner}"

    def serves_alone(self, name: str) -> bool:
        """True once dhcpd is configured without the peer and has dropped it."""
        configured = self.paths.at(self.conf).exists() and name not in self.peers()
        return configured and self.state(name) is None and self.is_serving()

    def gives(self, start: str, end: str) -> bool:
        """True if the configuration has the dynamic range from `start` to `end`."""
        pool = rf"^\s*range\s+{re.escape(start)}\s+{re.escape(end)}\s*;"
        return re.search(pool, self._configuration(), re.MULTILINE) is not None

    def is_off(self) -> bool:
        """True if nothing is configured and no dhcpd runs; a configuration that is empty is none."""
        return not self._configuration().strip() and not self.is_serving()

    def is_serving(self) -> bool:
        """True if some dhcpd of this host listens for clients."""
        return any(one.local.port == CLIENTS_PORT for one in self._sockets("/proc/net/udp"))

    def forget(self, name: str) -> None:
        """Take what a dhcpd that is off wrote of a peer out of its lease file; the leases stay."""
        path = self.paths.at(self.leases)
        if self.state(name) is None:
            return
        status, text = path.stat(), without_state(path.read_text(errors="replace"), name)
        disk.replace(path, text.encode(), status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))

    def is_connected(self, partner: str) -> bool:
        """True if a connection of the failover protocol to `partner` stands."""
        connections = [one for one in self._sockets("/proc/net/tcp") if one.state == ESTABLISHED]
        return any(
            str(one.remote.address) == partner and PORT in (one.local.port, one.remote.port) for one in connections
        )

    def is_listening(self) -> bool:
        """True if some dhcpd of this host waits for a failover partner."""
        return any(one.state == LISTENING and one.local.port == PORT for one in self._sockets("/proc/net/tcp"))

    def _configuration(self) -> str:
        """Its text; "" where there is none."""
        try:
            return self.paths.at(self.conf).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _sockets(self, table: str) -> list[Socket]:
        return listed(self.paths.at(table))


def declared(text: str) -> dict[str, Peer]:
    """The failover peers of a dhcpd.conf."""
    found = {}
    for match in PEER.finditer(text):
        statements = {" ".join(item["key"].split()): item["value"] for item in STATEMENT.finditer(match["body"])}
        role = "primary" if "primary" in statements else "secondary"
        peer = Peer(match["name"], role, statements.get("address", ""), statements.get("peer address", ""))
        found[peer.name] = peer
    return found


def listens(addresses: Collection[str], timeout: float = 2.0) -> bool:
    """True if a dhcpd waits for its failover partner at one of `addresses`."""
    for address in addresses:
        try:
            with socket.create_connection((address, PORT), timeout=timeout):
                return True
        except OSError:
            continue
    return False
