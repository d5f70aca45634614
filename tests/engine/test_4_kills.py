"""Ctrl-C, and ten times `kill -9` of agent or engine, in a first deployment; every next `up` goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lab.cluster import Lab
from tests.engine.deployment import STACK, Deployment
from tests.engine.hosts import sql
from tests.engine.test_1_up import status
from tests.lab.traces import free_network

pytestmark = pytest.mark.lab

MOMENTS = [
    ("operator", "install", "db1"),
    ("engine", "install", ""),
    ("agent", "start postgresql@15-main.service", "db1"),
    ("engine", "start postgresql@15-main.service", ""),
    ("agent", "maas-region dbupgrade", "region1"),
    ("engine", "start maas-regiond.service", ""),
    ("agent", "region2: health", "region2"),
    ("engine", "start maas-rackd.service", ""),
    ("agent", "rack2: health", "rack2"),
    ("agent", "wait for failover-vlan", "rack2"),
    ("engine", "0-24-rack2 creating", ""),
]
"""Who is killed (or presses Ctrl-C), at the first line of progress with this text, and on which host the agent is."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab("kills", tmp_path_factory.mktemp("lab"))
    try:
        lab.up(free_network())
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def deployment(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return Deployment(tmp_path_factory.mktemp("project"), lab)


def test_ctrl_c_ten_kills_and_then_up(deployment: Deployment, lab: Lab) -> None:
    for who, text, host in MOMENTS:
        interrupt(deployment, lab, who, text, host)
    deployment.up()
    deployment.up("--expect-no-changes")
    assert_whole(deployment, lab)


def interrupt(deployment: Deployment, lab: Lab, who: str, text: str, host: str) -> None:
    """Run `up` and kill at the first line with `text`. Raises AssertionError where there was nothing to kill."""
    process = deployment.start("up", "--yes", "--skip-preview", "--stack", STACK)
    assert process.stdout
    killed, lines = False, []
    for line in process.stdout:
        lines.append(line)
        if killed or text not in line:
            continue
        if who == "engine":
            started = descendants(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            end(started)
            killed = True
            break
        if who == "operator":
            process.send_signal(signal.SIGINT)
            killed = True
        else:
            killed = kill_agent(lab, host)
    process.wait()
    assert "Traceback" not in "".join(lines)
    if who == "engine":
        deployment.pulumi("cancel", "--yes", "--stack", STACK)
    assert killed, f"{who}: nothing to kill at {text!r} in:\n{''.join(lines)}"


def kill_agent(lab: Lab, host: str) -> bool:
    """SIGKILL to the agent on `host`, found as the holder of its lock; False if it was gone already."""
    return lab.exec(host, "sh", "-c", "kill -9 $(cat /var/lib/maas-ha/lock)", check=False).returncode == 0


def descendants(pid: int) -> list[int]:
    """Processes that `pid` has started, and theirs."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [grandchild for child in found for grandchild in descendants(child)]


def end(pids: list[int]) -> None:
    """What the killed engine left running on the operator's machine: its language host stays for ever."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def assert_whole(deployment: Deployment, lab: Lab) -> None:
    """The cluster works, and nothing is there twice."""
    seen = status(deployment)
    assert seen.problems == []
    assert sql(lab, "select count(*) from maasserver_node where node_type in (2, 3)") == ["4"]
    assert sql(lab, "select count(*) from auth_user where username = 'admin'") == ["1"]
    assert sql(lab, "select count(*) from maasserver_iprange where type = 'dynamic'") == ["1"]
    for host in lab.hosts:
        left = lab.exec(
            host.name, "find", "/etc", "/var/lib/maas-ha", "-name", "*.maas-ha-*", "-o", "-name", "journal.json"
        )
        assert left.stdout == "", host.name


def test_hosts_recreated_with_other_keys_are_refused(deployment: Deployment, lab: Lab) -> None:
    """The lab is removed and made again: same addresses, other machines, and known_hosts says so."""
    network = lab.inventory.shape.network
    lab.down()
    lab.up(network)
    output = deployment.up_fails()
    assert "host key mismatch" in output
    for host in lab.hosts:
        assert lab.exec(host.name, "ls", "/var/lib/maas-ha", check=False).returncode != 0
