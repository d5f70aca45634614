"""The lab's bridge."""

from __future__ import annotations

import json
import subprocess
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from lab import firewall
from lab.errors import LabError
from lab.inventory import Place, Shape


def check_network(place: Place, network: IPv4Network) -> None:
    """Raises LabError where `network` overlaps a network of this machine that isn't this lab's own."""
    for link in json.loads(_ip("-json", "-4", "address", "show")):
        if link.get("ifname") == place.bridge:
            continue
        for found in link.get("addr_info", []):
            there = IPv4Interface(f"{found['local']}/{found['prefixlen']}")
            if there.network.overlaps(network):
                raise LabError(
                    f"the network {network} overlaps {there} on this machine's {link['ifname']}: "
                    "choose another with --network A.B.C.0/24"
                )


def ensure_bridge(place: Place, shape: Shape) -> bool:
    """Make what is missing of the bridge; True if it had to. Raises LabError where another has its range."""
    bridge = place.bridge
    address = f"{shape.gateway}/{shape.network.prefixlen}"
    if not _exists(bridge):
        check_network(place, shape.network)
        _ip("link", "add", "name", bridge, "type", "bridge")
    elif _is_up_with(bridge, address):
        firewall.allow_within(bridge)
        return False
    _ip("address", "replace", address, "dev", bridge)
    _ip("link", "set", "dev", bridge, "up")
    firewall.allow_within(bridge)
    return True


def attach(place: Place, machine: str) -> None:
    """Put the cable of a running machine back into the bridge."""
    _ip("link", "set", "dev", _cable(machine), "master", place.bridge)


def remove_bridge(place: Place) -> None:
    """Remove the bridge, if it is there."""
    if _exists(place.bridge):
        firewall.forget(place.bridge)
        _ip("link", "delete", "dev", place.bridge)


def unplug(machine: str) -> None:
    """Remove the cable of a machine that was killed.

    The kernel does so in its own time after a namespace has gone, and the next machine of that name needs the name.
    """
    # it may be gone by now, which is as good
    subprocess.run(["ip", "link", "delete", "dev", _cable(machine)], capture_output=True, check=False)


def _cable(machine: str) -> str:
    """nspawn's name for it, which a link whose own had to be shortened has beside that."""
    return f"vb-{machine}"


def _exists(link: str) -> bool:
    return (Path("/sys/class/net") / link).exists()


def _is_up_with(bridge: str, address: str) -> bool:
    (link,) = json.loads(_ip("-json", "address", "show", "dev", bridge))
    has = any(f"{found['local']}/{found['prefixlen']}" == address for found in link.get("addr_info", []))
    return has and "UP" in link["flags"]


def _ip(*arguments: str) -> str:
    argv = ["ip", *arguments]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {found.stderr.strip()}")
    return found.stdout
