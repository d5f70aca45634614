"""A real DHCP client on a lab's bridge: ISC dhclient in a network namespace of its own, with its own files.

Its script sets the address in that namespace and nothing else: the machine's network and resolv.conf stay as they are.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.cluster import Lab

SCRIPT = """#!/bin/sh
case $reason in
    BOUND | RENEW | REBIND | REBOOT)
        ip address flush dev "$interface"
        ip address add "$new_ip_address/$new_subnet_mask" dev "$interface" ;;
    EXPIRE | FAIL | RELEASE | STOP) ip address flush dev "$interface" ;;
    TIMEOUT) exit 1 ;;  # an old lease that nobody confirms is no lease
esac
exit 0
"""
CONFIGURATION = "timeout {seconds};\nretry 1;\nreboot 5;\ninitial-interval 1;\nbackoff-cutoff 2;\n"


def dhclient(lab: Lab, folder: Path) -> Path:
    """The program, unpacked from the lab's own packages: this machine need not have it installed."""
    [package] = Path(lab.inventory.packages).glob("isc-dhcp-client_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "client")], check=True)
    return folder / "client/sbin/dhclient"


class Client:
    """One machine on the lab's network that knows nothing but DHCP."""

    def __init__(self, program: Path, folder: Path, namespace: str) -> None:
        self.program = program
        self.folder = folder
        self.namespace = namespace
        self.log = ""
        """What dhclient said last."""

    def lease(self, seconds: int = 90) -> str:
        """Ask for an address, the one before if there was one; "" if nobody gives one within `seconds`."""
        self.unplug()
        configuration = self.folder / "dhclient.conf"
        configuration.write_text(CONFIGURATION.format(seconds=seconds))
        files = ("-lf", "leases", "-pf", "pid", "-sf", str(self.folder / "script"), "-cf", str(configuration))
        argv = ["ip", "netns", "exec", self.namespace, str(self.program), "-4", "-1", "-v", *files, "eth0"]
        with (self.folder / "log").open("w") as log:
            done = subprocess.run(argv, cwd=self.folder, stdout=log, stderr=log, timeout=seconds + 60, check=False)
        self.log = (self.folder / "log").read_text()
        if done.returncode != 0:
            return ""
        bound = re.search(r"bound to ([0-9.]+)", self.log)
        assert bound, self.log
        return bound[1]

    def server(self) -> str:
        """Address of the server that gave the last lease."""
        return str(re.findall(r"DHCPACK of \S+ from ([0-9.]+)", self.log)[-1])

    def forget(self) -> None:
        """Be another machine: another hardware address, no leases."""
        self.unplug()
        (self.folder / "leases").write_text("")
        address = ":".join(["02", *(secrets.token_hex(1) for _ in range(5))])
        _ip("-n", self.namespace, "link", "set", "dev", "eth0", "address", address)

    def unplug(self) -> None:
        """End dhclient without a word to the server, as a machine that loses power does."""
        pid = self.folder / "pid"
        while pid.exists() and not pid.read_text().strip():
            time.sleep(0.01)  # dhclient goes into the background before it writes its number
        if pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)
            pid.unlink()


@contextmanager
def client(lab: Lab, folder: Path, name: str) -> Iterator[Client]:
    """A client called `name` on the lab's bridge; what it made on this machine is gone afterwards."""
    namespace, link = f"{lab.place.bridge}-{name}", f"{name}-{os.getpid() % 100000}"
    home = folder / name
    home.mkdir()
    for path in ("leases", "script"):
        (home / path).write_text(SCRIPT if path == "script" else "")
    (home / "script").chmod(0o755)
    _ip("netns", "add", namespace)
    made = Client(dhclient(lab, home), home, namespace)
    try:
        _ip("link", "add", "name", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", "dev", link, "master", lab.place.bridge, "up")
        _ip("-n", namespace, "link", "set", "dev", "eth0", "up")
        yield made
    finally:
        made.unplug()
        _ip("netns", "delete", namespace)


class Watch:
    """Asks for a lease again and again; how long nobody answered is for the report."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.addresses: set[str] = set()
        self.longest = 0.0
        """Seconds between two leases, at most."""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._done.is_set():
            address = self.client.lease(seconds=10)
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            if address:
                self.addresses.add(address)
                last = now


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
