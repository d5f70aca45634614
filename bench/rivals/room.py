"""What a rival is given: addresses, SSH's configuration and fresh passwords, in a folder of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Run, run
from lab.cluster import Lab

FLOOR = Path(__file__).with_name("floor.sh")
RANGE = (100, 199)
"""Last octets of the addresses that DHCP gives out, as in the dev stack."""


@dataclass(frozen=True)
class Room:
    """A folder with what a rival needs to know of the lab."""

    folder: Path
    lab: Lab

    def __post_init__(self) -> None:
        addresses = {host.name: str(host.address) for host in self.lab.hosts}
        self.write("ssh_config", "".join(self._host(name, address) for name, address in addresses.items()))
        for name in ("database_password", "admin_password"):
            self.write(name, secrets.token_hex(16))
        start, end = (self.lab.inventory.shape.address(octet) for octet in RANGE)
        known = addresses | {"range_start": str(start), "range_end": str(end)}
        self.write("addresses", "".join(f"{name}={value}\n" for name, value in known.items()))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    def _host(self, name: str, address: str) -> str:
        options = {
            "HostName": address,
            "User": "deploy",
            "IdentityFile": self.lab.place.deploy_key,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": self.lab.known_hosts,
            "StrictHostKeyChecking": "yes",
            "LogLevel": "ERROR",
        }
        return "\n  ".join([f"Host {name}", *(f"{key} {value}" for key, value in options.items())]) + "\n"

    def secret(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def floor(self, *arguments: str) -> Run:
        """`floor.sh` with this room. Raises CommandError."""
        what, *more = arguments
        return run([str(FLOOR), what, str(self.folder), *more], self.folder, os.environ)


def close_masters(folder: Path, environment: Mapping[str, str]) -> None:
    """End the SSH connections that Ansible left open for later, so that no later run finds one."""
    for socket in folder.glob("*"):
        with suppress(OSError):
            argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
            subprocess.run(argv, env=environment, capture_output=True, check=False)
