"""What a lab could leave behind on the machine, looked for in the kernel's own lists."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

from lab.errors import LabError
from lab.inventory import Place
from lab.network import check_network


def traces(place: Place) -> list[str]:
    """Processes, mounts in any namespace, links and cgroups of the lab, and its folder; empty after `lab down`."""
    prefix = place.machine("")
    found = [f"folder {place.folder}"] if place.folder.exists() else []
    found += [f"link {link}" for link in links_of(place)]
    groups = (Path(folder) / name for folder, names, _ in os.walk("/sys/fs/cgroup") for name in names)  # some end
    found += [f"cgroup {group}" for group in groups if group.name.startswith(prefix)]
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            found += _of_process(process, str(place.folder), prefix)
    return found


def links_of(place: Place) -> list[str]:
    """The bridge and every link in it."""
    shown = subprocess.run(["ip", "-json", "link", "show"], capture_output=True, text=True, check=True)
    links = json.loads(shown.stdout)
    return [link["ifname"] for link in links if place.bridge in (link["ifname"], link.get("master"))]


def link_names() -> set[str]:
    """Every link of the machine."""
    return {link.name for link in Path("/sys/class/net").iterdir()}


def network_namespaces() -> set[int]:
    """Inode numbers of the network namespaces that have a process."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found.add((process / "ns/net").stat().st_ino)
            except OSError:  # ended, or the machine's own guarded processes
                continue
    return found


LABS, STANDINS = IPv4Network("198.18.0.0/16"), IPv4Network("198.19.0.0/16")
"""Where labs and where the stand-in's daemons without a lab have their networks: neither takes the other's."""

_CLAIMS: list[socket.socket] = []


def free_network(within: IPv4Network = LABS) -> IPv4Network:
    """A /24 that this machine doesn't use, and that no other process is given as long as this one lives."""
    place = Place("none", Path("/nonexistent"))
    candidates = list(within.subnets(new_prefix=24))
    start = secrets.randbelow(len(candidates))
    for network in candidates[start:] + candidates[:start]:
        try:
            check_network(place, network)
        except LabError:
            continue
        if _claimed(network):
            return network
    raise AssertionError(f"every /24 of {within} is in use")


def _claimed(network: IPv4Network) -> bool:
    """Whether it is ours now; a name that the kernel gives to one process at a time says so."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0maas-ha's tests: {network}")
    except OSError:
        claim.close()
        return False
    _CLAIMS.append(claim)
    return True


def _of_process(process: Path, folder: str, prefix: str) -> list[str]:
    try:
        command = (process / "cmdline").read_text()
        mounts = (process / "mountinfo").read_text()
    except OSError:  # it ended while we looked
        return []
    found = []
    if folder in command or prefix in command:
        found.append(f"process {process.name}: {command[:200]!r}")
    if folder in mounts:
        found.append(f"mounts of process {process.name}")
    return found
