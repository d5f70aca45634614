"""dhcpd.conf as MAAS renders it (maas-facts §6), from what a region tells a rack."""

import ipaddress
from typing import TypedDict


class FailoverPeer(TypedDict):
    """One side of a pair; `mode` is `primary` or `secondary`."""

    name: str
    mode: str
    address: str
    peer_address: str


class Pool(TypedDict):
    """One dynamic range; `failover_peer` is the pair's name, if there are two racks."""

    start_ip: str
    end_ip: str
    failover_peer: str | None


class Subnet(TypedDict):
    """One subnet of a VLAN."""

    cidr: str
    gateway_ip: str | None
    dns_servers: list[str]
    next_server: str
    pools: list[Pool]


class SharedNetwork(TypedDict):
    """One VLAN that the rack serves."""

    name: str
    mtu: int
    subnets: list[Subnet]


class Configuration(TypedDict):
    """All that a rack's dhcpd needs; without shared networks it is to be off."""

    omapi_key: str
    interfaces: list[str]
    failover_peers: list[FailoverPeer]
    shared_networks: list[SharedNetwork]


HEADER = """\
# WARNING: This file is maintained by MAAS. Changes will be lost.
omapi-port 7911;
key omapi_key {{
    algorithm HMAC-MD5;
    secret "{key}";
}};
omapi-key omapi_key;
class "PXE" {{
    match if substring (option vendor-class-identifier, 0, 3) = "PXE";
    default-lease-time 30;
    max-lease-time 30;
}}
"""


def render(configuration: Configuration) -> str:
    """The text of dhcpd.conf."""
    parts = [HEADER.format(key=configuration["omapi_key"])]
    parts += [_failover_peer(peer) for peer in configuration["failover_peers"]]
    parts += [_shared_network(network) for network in configuration["shared_networks"]]
    return "\n".join(parts)


def _failover_peer(peer: FailoverPeer) -> str:
    """Without `port` or `peer port`: ISC's default, 647 on both sides (maas-facts §6)."""
    lines = [
        f'failover peer "{peer["name"]}" {{',
        f"    {peer['mode']};",
        f"    address {peer['address']};",
        f"    peer address {peer['peer_address']};",
        "    max-response-delay 60;",
        "    max-unacked-updates 10;",
        "    load balance max seconds 3;",
    ]
    if peer["mode"] == "primary":
        lines += ["    mclt 3600;", "    split 255;"]
    return "\n".join([*lines, "}\n"])


def _shared_network(network: SharedNetwork) -> str:
    subnets = "\n".join(_subnet(subnet, network["mtu"]) for subnet in network["subnets"])
    return f"shared-network {network['name']} {{\n{subnets}}}\n"


def _subnet(subnet: Subnet, mtu: int) -> str:
    network = ipaddress.IPv4Network(subnet["cidr"])
    lines = [
        f"    subnet {network.network_address} netmask {network.netmask} {{",
        "        ignore-client-uids true;",
        f"        next-server {subnet['next_server']};",
        f"        option subnet-mask {network.netmask};",
        f"        option broadcast-address {network.broadcast_address};",
        f"        option interface-mtu {mtu};",
    ]
    if subnet["gateway_ip"]:
        lines.append(f"        option routers {subnet['gateway_ip']};")
    if subnet["dns_servers"]:
        lines.append(f"        option domain-name-servers {', '.join(subnet['dns_servers'])};")
    lines += ["        default-lease-time 600;", "        max-lease-time 600;"]
    for pool in subnet["pools"]:
        lines.append("        pool {")
        if pool["failover_peer"]:
            lines.append(f'            failover peer "{pool["failover_peer"]}";')
        lines += [f"            range {pool['start_ip']} {pool['end_ip']};", "        }"]
    return "\n".join([*lines, "    }\n"])
