"""Network interfaces of this host, and the place that a text keeps for the name of one."""

from __future__ import annotations

import dataclasses
import ipaddress
import json

from agent.bundle import INTERFACE, Bundle
from agent.commands import Commands


def interface_with(commands: Commands, address: str) -> str:
    """Name of the interface that has the IPv4 `address`, "" for none."""
    listed = commands.run("ip", "-json", "-4", "address", "show").stdout
    for link in json.loads(listed or "[]"):
        if any(known.get("local") == address for known in link.get("addr_info", [])):
            return str(link["ifname"])
    return ""


def interface_in(commands: Commands, network: str) -> str:
    """Name of the first interface that has an address in the IPv4 `network`, "" for none."""
    wanted = ipaddress.IPv4Network(network)
    listed = commands.run("ip", "-json", "-4", "address", "show").stdout
    for link in json.loads(listed or "[]"):
        if any(ipaddress.IPv4Address(known["local"]) in wanted for known in link.get("addr_info", [])):
            return str(link["ifname"])
    return ""


def with_interface(bundle: Bundle, interface: str) -> Bundle:
    """The bundle with what only the host knows."""
    files = (dataclasses.replace(file, content=file.content.replace(INTERFACE, interface)) for file in bundle.files)
    return dataclasses.replace(bundle, files=tuple(files))


def missing_address(address: str) -> str:
    """What to tell where no interface has `address`."""
    return (
        f"no interface of this host has the address {address}:"
        " give it one, or correct `address` or `also` of the host in the stack file"
    )
