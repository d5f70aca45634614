"""Where it is played: hosts of the dev stack, pristine before each deployment, with their packages at hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Run, run
from bench.progress import say
from bench.results import PROJECT
from lab.cluster import Lab
from lab.errors import LabError
from tests.engine.deployment import STACK, Deployment
from tests.lab.traces import free_network, links_of

NAME = "bench"
TRIES = 4
UP = ("pulumi", "up", "--yes", "--skip-preview", "--stack", STACK, "--non-interactive")


@dataclass
class Stage:
    """The lab, and a folder for what is played on it."""

    lab: Lab
    folder: Path
    _made: int = field(default=0)

    def pristine(self) -> None:
        """Every host as it was before anything was deployed; host keys and addresses stay. Raises LabError."""
        for host in self.lab.hosts:
            self.lab.poweroff(host.name)
        self._unlink()
        for host in self.lab.hosts:
            self._reset(host.name)

    def _unlink(self) -> None:
        """Take down the hosts' links, which on a busy machine outlive a power cut by seconds and are in the way."""
        bridge = self.lab.place.bridge
        for link in links_of(self.lab.place):
            if link != bridge:
                subprocess.run(["ip", "link", "delete", "dev", link], capture_output=True, check=False)

    def _reset(self, host: str) -> None:
        for _ in range(TRIES - 1):
            with suppress(LabError):
                return self.lab.reset(host)
            time.sleep(1)
        return self.lab.reset(host)

    def room(self, name: str) -> Path:
        """A new, empty folder."""
        self._made += 1
        folder = self.folder / f"{name}{self._made}"
        folder.mkdir()
        return folder

    def project(self) -> Project:
        """A copy of the project with a new stack, its state in a folder of its own."""
        return Project(Deployment(self.room("project"), self.lab))

    def addresses(self) -> dict[str, str]:
        return {host.name: str(host.address) for host in self.lab.hosts}

    def connections(self) -> dict[str, int]:
        """Host → TCP connections that sshd has accepted so far."""
        return {host.name: self._logins(host.name) for host in self.lab.hosts}

    def _logins(self, host: str) -> int:
        log = self.lab.exec(host, "journalctl", "-q", "-t", "sshd", "--output=cat").stdout
        return sum(line.startswith("Accepted publickey") for line in log.splitlines())

    def starts(self) -> dict[str, str]:
        """`HOST UNIT` → when its main process began, of every service with one."""
        return {key: value for host in self.lab.hosts for key, value in self._starts(host.name).items()}

    def _starts(self, host: str) -> dict[str, str]:
        listed = self.lab.exec(host, "systemctl", "list-units", "--type=service", "--state=active", "-o", "json")
        units = [entry["unit"] for entry in json.loads(listed.stdout)]
        ours = [unit for unit in units if not unit.startswith(("user", "systemd-", "session"))]
        shown = self.lab.exec(host, "systemctl", "show", "-p", "Id,ActiveEnterTimestampMonotonic,MainPID", *ours)
        blocks = [dict(line.split("=", 1) for line in one.splitlines()) for one in shown.stdout.strip().split("\n\n")]
        return {f"{host} {one['Id']}": f"{one['MainPID']} {one['ActiveEnterTimestampMonotonic']}" for one in blocks}


@dataclass
class Project:
    """A copy of the project that is deployed on the stage."""

    deployment: Deployment

    def up(self, *, look_at_memory: bool = False) -> Run:
        """`pulumi up` as an operator runs it. Raises CommandError."""
        return run(UP, self.deployment.folder, self.deployment.environment, look_at_memory=look_at_memory)


@contextmanager
def stage() -> Iterator[Stage]:
    """The lab `bench`, up until the block ends."""
    lab, folder = Lab(NAME, PROJECT), PROJECT / ".bench"
    lab.down()  # of a run that was killed
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        lab.up(free_network())
        say("the hosts are up")
        yield Stage(lab, folder)
    finally:
        lab.down()
        shutil.rmtree(folder, ignore_errors=True)
