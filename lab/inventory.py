"""What a lab consists of: names, addresses, and where its state lies."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path

from lab.errors import LabError
from lab.files import write_atomic

DEFAULT_NAME = "dev"
DEFAULT_NETWORK = IPv4Network("198.51.100.0/24")
DEFAULT_MAAS = "3.4"
DEFAULT_HOSTS = {"db1": 11, "region1": 21, "region2": 22, "rack1": 31, "rack2": 32, "lb1": 41}
DEPLOY_USER = "deploy"

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_LINK_NAME_MAX = 15  # IFNAMSIZ without its final zero


@dataclass(frozen=True)
class Shape:
    """What the user asks for."""

    network: IPv4Network = DEFAULT_NETWORK
    hosts: tuple[tuple[str, int], ...] = tuple(DEFAULT_HOSTS.items())
    """(host name, last octet of its address)."""
    maas: str = DEFAULT_MAAS

    def address(self, octet: int) -> IPv4Address:
        return self.network.network_address + octet

    @property
    def gateway(self) -> IPv4Address:
        """The bridge's own address, `.1`."""
        return self.address(1)

    def to_json(self) -> dict[str, object]:
        return {"network": str(self.network), "hosts": dict(self.hosts), "maas": self.maas}


def check_name(name: str) -> str:
    """A lab or host name. Raises LabError unless it is a DNS label of at most 32 characters, a letter first."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name: use lower-case letters, digits and dashes, a letter first, 32 at most")
    return name


def parse_network(text: str) -> IPv4Network:
    """`A.B.C.0/24`. Raises LabError for anything else."""
    try:
        network = IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise LabError(f"--network {text}: {error}") from error
    if network.prefixlen != 24:
        raise LabError(f"--network {text}: give a /24, hosts are numbered by their last octet")
    return network


def parse_hosts(text: str) -> tuple[tuple[str, int], ...]:
    """`name:octet,name:octet,…`. Raises LabError for a bad or doubled name, or an octet outside 2–254."""
    hosts: list[tuple[str, int]] = []
    for item in text.split(","):
        name, _, octet = item.strip().partition(":")
        check_name(name)
        if not octet.isdigit() or not 2 <= int(octet) <= 254:
            raise LabError(f"--hosts {item}: write name:octet with an octet from 2 to 254 (1 is the bridge)")
        hosts.append((name, int(octet)))
    if len({name for name, _ in hosts}) != len(hosts) or len({octet for _, octet in hosts}) != len(hosts):
        raise LabError(f"--hosts {text}: a name or an octet appears twice")
    return tuple(hosts)


SHAPES: Mapping[str, Shape] = {
    "ha": Shape(
        IPv4Network("203.0.113.0/24"),
        tuple((DEFAULT_HOSTS | {"db2": 12, "db3": 13, "region3": 23, "lb2": 42}).items()),
    )
}
"""Labs that have more than the six hosts of any other name, for the stack file of that name."""


@dataclass(frozen=True)
class Place:
    """A lab's name, and the folder `.lab/<name>` that holds all it knows."""

    name: str
    folder: Path

    @classmethod
    def at(cls, parent: Path, name: str) -> Place:
        return cls(check_name(name), (parent / ".lab" / name).absolute())

    @property
    def bridge(self) -> str:
        """Bridge name, at most 15 characters: another in another folder, as are the machines' names."""
        return f"lab-{hashlib.sha256(str(self.folder).encode()).hexdigest()[: _LINK_NAME_MAX - 4]}"

    def machine(self, host: str) -> str:
        """Name of a host's machine, cgroup and link: apart from every other lab's, in this folder or another."""
        return f"lab-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]}-{self.name}-{host}"

    def host_folder(self, host: str) -> Path:
        return self.folder / "hosts" / host

    def host_key(self, host: str) -> Path:
        return self.folder / "host-keys" / host

    @property
    def deploy_key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def agent_socket(self) -> Path:
        return self.folder / "agent.sock"

    @property
    def file(self) -> Path:
        return self.folder / "lab.json"


@dataclass(frozen=True)
class Inventory:
    """lab.json: what was made, so that later commands need no options."""

    shape: Shape
    base: str
    """Folder of the base image that the hosts' overlays lie on."""
    packages: str
    """Folder of the package repository that the hosts see at /srv/packages."""

    def save(self, place: Place) -> None:
        described = asdict(self) | {"shape": self.shape.to_json(), "name": place.name, "bridge": place.bridge}
        write_atomic(place.file, json.dumps(described, indent=2) + "\n")

    @classmethod
    def load(cls, place: Place) -> Inventory:
        """Raises LabError where there is no such lab."""
        if not place.file.exists():
            raise LabError(
                f"there is no lab {place.name!r} in {place.folder.parent.parent}: lab up --name {place.name}"
            )
        found = json.loads(place.file.read_text())
        shape = found["shape"]
        hosts = tuple((str(name), int(octet)) for name, octet in shape["hosts"].items())
        return cls(Shape(IPv4Network(shape["network"]), hosts, shape["maas"]), found["base"], found["packages"])
