"""What the tests of a database on three hosts ask of them, and a writer that remembers what MAAS acknowledged."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from agent.errors import StepError
from agent.maas_api import MaasApi, Subnet
from lab.cluster import Lab
from tests.engine.deployment import Deployment
from tests.engine.hosts import unit_starts

MEMBERS = ("db1", "db2", "db3")
PATRONICTL = ("runuser", "-u", "postgres", "--", "patronictl", "-c", "/etc/patroni/config.yml")
SOCKET = ("-h", "/var/run/postgresql", "-XAtq")


def members(lab: Lab, asked: str) -> dict[str, tuple[str, str]]:
    """Host → role and state, as `asked` knows them; none while it knows none."""
    listed = lab.exec(asked, *PATRONICTL, "list", "-f", "json", check=False)
    entries = json.loads(listed.stdout) if listed.returncode == 0 else []
    return {entry["Member"]: (entry["Role"], entry["State"]) for entry in entries}


def leader(lab: Lab, asked: str = "db1") -> str:
    return next(name for name, (role, _) in members(lab, asked).items() if role == "Leader")


def settled(lab: Lab, asked: str = "db1") -> bool:
    roles = [role for role, state in members(lab, asked).values() if state in ("running", "streaming")]
    return sorted(roles) == ["Leader", "Replica", "Sync Standby"]


def sql(lab: Lab, host: str, query: str) -> list[str]:
    argv = ("runuser", "-u", "postgres", "--", "psql", *SOCKET, "-d", "maasdb", "-c", query)
    return lab.exec(host, *argv).stdout.splitlines()


def api(deployment: Deployment) -> tuple[MaasApi, Subnet]:
    outputs = deployment.outputs()
    found = MaasApi([str(outputs["api_url"])], str(outputs["api_key"]), str(outputs["ca_certificate"]))
    subnet = found.subnet(str(deployment.network))
    assert subnet is not None
    return found, subnet


class Writer:
    """Reserves one address after the other through the balanced address, and remembers what was acknowledged."""

    def __init__(
        self, maas: MaasApi, subnet: Subnet, network: str, numbers: range = range(60, 250), pause: float = 0.2
    ) -> None:
        self._maas, self._subnet, self._network = maas, subnet, network
        self._numbers, self._pause = numbers, pause
        self.acknowledged: list[str] = []
        self._done = threading.Event()

    def _write(self) -> None:
        for number in self._numbers:
            address = f"{self._network}.{number}"
            try:
                self._maas.create_range(self._subnet, address, address, "written")
                self.acknowledged.append(address)
            except (StepError, OSError):
                self._done.wait(0.5)
            if self._done.wait(self._pause):
                return

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()


def nothing_is_left_to_do(deployment: Deployment, hosts: Iterable[str]) -> None:
    """`hosts` are as they were left, and an update changes and starts nothing."""
    lab = deployment.lab
    for host in hosts:
        assert lab.exec(host, "maas-ha-agent", "verify").stdout == ""
    starts = unit_starts(lab)
    resources = deployment.up().partition("Resources:")[2]
    assert "unchanged" in resources
    assert "updated" not in resources
    assert unit_starts(lab) == starts
