"""PostgreSQL on three hosts: a leader that loses its power, what it had acknowledged, and settings that roll."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from agent.errors import StepError
from agent.maas_api import MaasApi, Subnet
from lab.cluster import Lab
from tests.engine.deployment import Cluster, Deployment
from tests.engine.hosts import unit_starts
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

MEMBERS = ("db1", "db2", "db3")
HOSTS = {"db1": 11, "db2": 12, "db3": 13, "region1": 21, "rack1": 31, "lb1": 41}
PATRONICTL = ("runuser", "-u", "postgres", "--", "patronictl", "-c", "/etc/patroni/config.yml")
SOCKET = ("-h", "/var/run/postgresql", "-XAtq")


def workers(number: int) -> Callable[[Cluster], None]:
    """Three database hosts, one region with so many workers, one rack, no DHCP."""

    def change(cluster: Cluster) -> None:
        cluster["database"] = {"cluster": list(MEMBERS), "version": 15}
        cluster["regions"] = {"region1": {"workers": number}}
        cluster["racks"], cluster["dhcp"] = ["rack1"], []

    return change


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("cluster"), "proc-cluster", HOSTS, change=workers(1)) as made:
        made.up()
        yield made


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


def until(what: str, holds: Callable[[], object], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


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


def test_1_every_host_is_as_it_was_left_and_an_update_changes_nothing(deployed: Deployment) -> None:
    lab = deployed.lab
    assert settled(lab)
    for host in (*MEMBERS, "region1"):
        assert lab.exec(host, "maas-ha-agent", "verify").stdout == ""
    starts = unit_starts(lab)
    resources = deployed.up().partition("Resources:")[2]
    assert "unchanged" in resources
    assert "updated" not in resources
    assert unit_starts(lab) == starts
    query = "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE client_port > 0"
    assert set(sql(lab, leader(lab), query)) == {"maas|t", "replicator|t"}
    assert lab.exec("db1", "pg_lsclusters", "--no-header").stdout == ""


def test_2_a_leader_without_power_is_replaced_and_loses_nothing(deployed: Deployment) -> None:
    lab = deployed.lab
    old = leader(lab)
    other = next(name for name in MEMBERS if name != old)
    maas, subnet = api(deployed)
    writer = Writer(maas, subnet, str(deployed.network.network_address).rpartition(".")[0])
    with writer.running():
        until("writes", lambda: len(writer.acknowledged) >= 5)
        lab.poweroff(old)
        before = len(writer.acknowledged)
        until("another leader", lambda: any(r == "Leader" for n, (r, _) in members(lab, other).items() if n != old))
        until("writes again", lambda: len(writer.acknowledged) >= before + 5)
    lab.poweron(old)
    until("the old leader as a replica", lambda: settled(lab, other))
    assert leader(lab, other) != old
    kept = {str(found.start) for found in maas.ranges(subnet)}
    assert set(writer.acknowledged) <= kept
    assert lab.exec(old, "maas-ha-agent", "verify").stdout == ""


def test_3_a_setting_that_needs_a_restart_rolls(deployed: Deployment) -> None:
    lab = deployed.lab
    limits = {host: sql(lab, host, "SHOW max_connections") for host in MEMBERS}
    assert set(map(tuple, limits.values())) == {("100",)}
    old = leader(lab)
    deployed.edit(workers(8))
    deployed.up()
    assert {host: sql(lab, host, "SHOW max_connections") for host in MEMBERS} == {host: ["150"] for host in MEMBERS}
    assert settled(lab)
    assert leader(lab) != old
    deployed.edit(workers(1))
    deployed.up()
    assert {host: sql(lab, host, "SHOW max_connections") for host in MEMBERS} == {host: ["100"] for host in MEMBERS}
