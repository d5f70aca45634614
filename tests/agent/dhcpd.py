"""A rack's dhcpd as MAAS runs it: its configuration, lease file and connections follow the VLAN of a `FakeMaas`."""

from __future__ import annotations

import dataclasses
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.bundle import Bundle, DhcpSettings
from tests.agent.fake_maas import ADDRESSES, KEY, FakeMaas

if TYPE_CHECKING:
    from tests.agent.conftest import FakeHost, Local

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
            self.machine.write(CONF, "subnet 198.51.100.0 netmask 255.255.255.0 { }\n" + self.ranges())
            self.machine.write(LEASES, "# no failover\n")
            self.connect("")
            return
        address, other = ADDRESSES[self.own], ADDRESSES[str(partner)]
        self.machine.write(CONF, conf(role, address, other) + self.ranges())
        self.machine.write(LEASES, leases(*self.state.split("/")))
        self.connect(other)

    def ranges(self) -> str:
        """The pools of the dynamic ranges (maas-facts §6)."""
        known = [one for one in self.maas.ranges if one["type"] == "dynamic"]
        return "".join(f"pool {{\n    range {one['start_ip']} {one['end_ip']};\n}}\n" for one in known)

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
