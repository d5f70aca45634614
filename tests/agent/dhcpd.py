"""A rack's dhcpd as MAAS runs it: its configuration, lease file and connections follow the VLAN of a `FakeMaas`."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from tests.agent.conftest import FakeHost
from tests.agent.fake_maas import ADDRESSES, FakeMaas

CONF, LEASES, CONNECTIONS = "/var/lib/maas/dhcpd.conf", "/var/lib/maas/dhcp/dhcpd.leases", "/proc/net/tcp"
DATAGRAMS = "/proc/net/udp"
PEER = "failover-vlan-5001"
SERVING = "   2: 00000000:0043 00000000:0000 07 00000000:00000000\n"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@dataclass
class RackDhcpd:
    """The dhcpd of the rack `own` on `machine`; `settle` decides what the pair makes of a change."""

    machine: FakeHost
    maas: FakeMaas
    own: str = "aaa"
    state: str = "normal/normal"
    """What dhcpd says once it has a partner."""

    def follow(self) -> RackDhcpd:
        """Do from now on what MAAS says."""
        self.maas.on_vlan_change = self.update
        self.update()
        return self

    def update(self) -> None:
        """Bring the files in line with the VLAN."""
        vlan = self.maas.vlan
        racks = (vlan["primary_rack"], vlan["secondary_rack"])
        if not vlan["dhcp_on"] or self.own not in racks:
            self.machine.root.joinpath(CONF[1:]).unlink(missing_ok=True)
            self.connect("")
            self.machine.write(DATAGRAMS, HEAD)
            return
        self.machine.write(DATAGRAMS, HEAD + SERVING)
        partner = racks[1 - racks.index(self.own)]
        role = ("primary", "secondary")[racks.index(self.own)]
        if partner is None:
            self.machine.write(CONF, "subnet 198.51.100.0 netmask 255.255.255.0 { }\n")
            self.machine.write(LEASES, "# no failover\n")
            self.connect("")
            return
        address, other = ADDRESSES[self.own], ADDRESSES[str(partner)]
        self.machine.write(CONF, conf(role, address, other))
        self.machine.write(LEASES, leases(*self.state.split("/")))
        self.connect(other)

    def off(self, memory: str = "") -> None:
        """No dhcpd runs here; `memory` is what its lease file says."""
        self.machine.write(CONNECTIONS, HEAD)
        self.machine.write(DATAGRAMS, HEAD)
        if memory:
            self.machine.write(LEASES, leases(*memory.split("/")))

    def connect(self, partner: str) -> None:
        """A connection of the failover protocol to `partner`, "" for none."""
        self.machine.write(CONNECTIONS, HEAD + (connection(partner) if partner else ""))


def connection(partner: str) -> str:
    """The line of /proc/net/tcp for a connection from `partner`."""
    return f"   0: 0200007F:0287 {_hex(partner)}:B0F2 01 00000000:00000000\n"


def conf(role: str, address: str, partner: str) -> str:
    """The part of MAAS's dhcpd.conf that is about failover (maas-facts §6)."""
    extra = "    mclt 3600;\n    split 255;\n" if role == "primary" else ""
    return (
        f'omapi-port 7911;\nfailover peer "{PEER}" {{\n    {role};\n    address {address};\n'
        f"    peer address {partner};\n    max-response-delay 60;\n{extra}}}\n"
    )


def leases(mine: str, partner: str) -> str:
    """A lease file with an older state, a lease, and the last state."""
    return f"""
failover peer "{PEER}" state {{
  my state recover at 1 2026/11/23 10:00:00;
  partner state unknown-state at 1 2026/11/23 10:00:00;
}}
lease 198.51.100.12 {{ starts 1; }}
failover peer "{PEER}" state {{
  my state {mine} at 2 2026/11/24 10:00:03;
  partner state {partner} at 2 2026/11/24 10:00:01;
  mclt 3600;
}}
"""


def _hex(address: str) -> str:
    return f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}"
