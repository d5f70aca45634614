"""A bridge and network namespaces of our own, so that each host has its own interfaces and ports."""

import os
import secrets
import subprocess

from tests.lab.standin.daemons.polling import eventually
from tests.lab.traces import STANDINS, free_network


def ip(*args: str) -> str:
    """Run `ip ARGS`; its output. Raises subprocess.CalledProcessError."""
    return subprocess.run(["ip", *args], check=True, capture_output=True, text=True).stdout


class Network:
    """A free /24 on a bridge; `.1` is this machine, where PostgreSQL and the test live."""

    def __init__(self) -> None:
        self.prefix = str(free_network(STANDINS).network_address).rpartition(".")[0]
        self._tag = f"{os.getpid() % 100000}{secrets.token_hex(1)}"
        self.bridge = f"sb{self._tag}"
        self._made = 0
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self.gateway}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    @property
    def gateway(self) -> str:
        """This machine's address on the bridge."""
        return f"{self.prefix}.1"

    @property
    def cidr(self) -> str:
        """The whole network."""
        return f"{self.prefix}.0/24"

    def address(self, number: int) -> str:
        """Host number's address."""
        return f"{self.prefix}.{number}"

    def add(self, number: int) -> str:
        """A namespace with an interface `eth0` that has host number's address; the namespace's name."""
        self._made += 1
        name = f"{self.bridge}-{self._made}"
        ip("netns", "add", name)
        outside = f"s{self._tag}v{self._made}"
        ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", outside, "master", self.bridge, "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", self.gateway)
        eventually(lambda: "state UP" in ip("-n", name, "link", "show", "eth0"), f"{name}: eth0 is up")
        return name

    def processes(self, name: str) -> list[int]:
        """Ids of what runs in a namespace."""
        return [int(pid) for pid in ip("netns", "pids", name).split()]

    def drop(self, name: str) -> None:
        """Delete a namespace, and with it its interfaces."""
        ip("netns", "del", name)

    def remove(self) -> None:
        """The bridge; the namespaces went with their hosts."""
        ip("link", "del", self.bridge)
