"""Every region is restarted and nobody notices: under load, with a region that fails, with an agent that is killed."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.cluster import Lab
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.test_1_up import status
from tests.engine.test_4_kills import kill_agent
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "rack1": 31, "lb1": 41}
CLIENTS = range(201, 211)
REGIONS = ("region1", "region2")
STOP_SECONDS = {"region1": 95, "region2": 3}
"""How long regiond takes to stop: on one region longer than systemd's own patience of 90 s."""
SCRIPT = Path(__file__).with_name("load.py")


def small(cluster: Cluster) -> None:
    cluster["racks"], cluster["dhcp"] = ["rack1"], []
    cluster["regions"] = {"region1": {"workers": 1}, "region2": {"workers": 3}}


def set_workers(deployment: Deployment, region1: int, region2: int) -> None:
    def change(cluster: Cluster) -> None:
        cluster["regions"] = {"region1": {"workers": region1}, "region2": {"workers": region2}}

    deployment.edit(change)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("rolling"), "proc-roll", HOSTS, change=small) as made:
        for name in REGIONS:
            knobs = f"mkdir -p /etc/maas; echo 'region_stop_s: {STOP_SECONDS[name]}' >/etc/maas/standin.conf"
            made.lab.exec(name, "sh", "-c", knobs)
        made.up()
        for address in clients(made.lab):
            made.lab.exec("db1", "ip", "address", "add", f"{address}/24", "dev", "host0")
        yield made


def clients(lab: Lab) -> list[str]:
    network = str(lab.host("lb1").address).rpartition(".")[0]
    return [f"{network}.{number}" for number in CLIENTS]


@dataclass
class Seen:
    """What the clients saw."""

    tried: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


@contextmanager
def load(deployment: Deployment) -> Iterator[Seen]:
    """Twenty clients until the block ends, each of whose requests is answered with 200, or the test fails."""
    lab, seen = deployment.lab, Seen()
    given = {
        "host": str(lab.host("lb1").address),
        "key": deployment.outputs()["api_key"],
        "clients": clients(lab),
    }
    lab.exec("db1", "tee", "/run/load.py", input=SCRIPT.read_text())
    argv = lab.host("db1").exec_argv(("python3", "/run/load.py"))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(json.dumps(given) + "\n")
    process.stdin.flush()
    started = time.monotonic()
    try:
        yield seen
    finally:
        output, _ = process.communicate()
    told = json.loads(output)
    seen.tried, seen.failed = told["tried"], told["failed"]
    assert seen.failed == []
    quick = seen.tried["read"] + seen.tried["write"]
    assert quick >= 20 * (time.monotonic() - started - 10), seen.tried
    assert seen.tried["slow"] >= len(CLIENTS)


def servers(lab: Lab) -> list[dict[str, str]]:
    """What the balancer thinks of the regions, as a region sees it."""
    url = f"http://{lab.host('lb1').address}:5237/;csv"
    text = lab.exec("region2", "curl", "-sf", url).stdout.removeprefix("# ")
    return [row for row in csv.DictReader(text.splitlines()) if row["svname"] in REGIONS]


def wait_until_up(lab: Lab) -> None:
    """Every region takes new connections. Raises AssertionError after a while."""
    deadline = time.monotonic() + 90
    while any(row["status"] != "UP" for row in servers(lab)):
        assert time.monotonic() < deadline, servers(lab)
        time.sleep(0.2)


def assert_whole(deployment: Deployment) -> None:
    wait_until_up(deployment.lab)
    seen = status(deployment)
    assert seen.problems == []
    assert [rack.rackd.split(" ")[0] for rack in seen.racks] == ["running"]


def moments(lab: Lab, region: str) -> tuple[int, int]:
    """When regiond last stopped, and when it last became active, by the one clock of all hosts."""
    names = ("InactiveEnterTimestampMonotonic", "ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    show = lab.exec(region, "systemctl", "show", "-p", ",".join(names), "maas-regiond.service").stdout
    told = dict(line.split("=") for line in show.splitlines())
    return int(told["ActiveExitTimestampMonotonic"]), int(told["ActiveEnterTimestampMonotonic"])


def in_order(output: str, wanted: Sequence[str]) -> None:
    """Each of `wanted` is told, after the one before it."""
    position = 0
    for text in wanted:
        found = output.find(text, position)
        assert found >= 0, f"{text!r} isn't told in its turn:\n{output}"
        position = found


def test_a_change_of_every_region_is_noticed_by_nobody(deployed: Deployment) -> None:
    before = {row["svname"]: int(row["stot"]) for row in servers(deployed.lab)}
    set_workers(deployed, 3, 1)
    with load(deployed) as seen:
        output = deployed.up()
    roll = (
        "drain this region",
        "wait for requests in flight",
        "restart maas-regiond.service",
        "health",
        "end the drain",
    )
    in_order(output, [f"{region}: {step}" for region in REGIONS for step in roll])
    assert "cut off" not in output
    (_, first_back), (second_stops, _) = (moments(deployed.lab, region) for region in REGIONS)
    assert first_back < second_stops
    after = {row["svname"]: int(row["stot"]) for row in servers(deployed.lab)}
    assert all(after[region] > before[region] for region in REGIONS), "not every region had clients"
    log = deployed.lab.exec("region1", "journalctl", "-q", "-u", "maas-regiond", "--output=cat").stdout
    assert not re.search(r"timed out|SIGKILL", log), log
    assert_whole(deployed)
    assert seen.tried["read"] > 0


def test_an_agent_that_is_killed_leaves_no_region_drained(deployed: Deployment) -> None:
    set_workers(deployed, 1, 3)
    with load(deployed):
        process = deployed.start("up", "--yes", "--skip-preview", "--stack", STACK)
        assert process.stdout
        killed = False
        for line in process.stdout:
            if not killed and "region1: wait for requests in flight" in line:
                assert {row["status"] for row in servers(deployed.lab) if row["svname"] == "region1"} == {
                    "DRAIN (agent)"
                }
                killed = kill_agent(deployed.lab, "region1")
        assert process.wait() != 0
        assert killed
        wait_until_up(deployed.lab)
        deployed.up()
    assert_whole(deployed)


DROP_IN = "/run/systemd/system/maas-regiond.service.d/cut.conf"


def test_a_region_that_fails_its_check_stops_the_roll(deployed: Deployment) -> None:
    """Its API is as it should be, but the rack can't come back to it: the cable between the two is cut meanwhile."""
    lab = deployed.lab
    rack = lab.host("rack1").address
    lab.exec("region1", "mkdir", "-p", DROP_IN.rpartition("/")[0])
    lab.exec("region1", "tee", DROP_IN, input=f"[Service]\nExecStartPre=+ip route replace blackhole {rack}\n")
    lab.exec("region1", "systemctl", "daemon-reload")
    untouched = moments(lab, "region2")
    set_workers(deployed, 2, 2)
    output = deployed.up_fails()
    assert "region1: health: racks that are connected again not reached" in output
    assert "rack1 isn't connected to this region's 2 event loops" in output
    assert "let it reach ports 5250 to 5259 of this host, then apply again" in output
    assert moments(lab, "region2") == untouched
    wait_until_up(lab)
    conf = lab.exec("region1", "cat", "/etc/maas/regiond.conf").stdout
    assert "num_workers: 1\n" in conf
    lab.exec("region1", "sh", "-c", f"rm {DROP_IN}; systemctl daemon-reload; ip route del blackhole {rack}")
    deployed.up()
    assert_whole(deployed)


def test_no_rack_was_ever_without_a_region(deployed: Deployment) -> None:
    log = deployed.lab.exec("rack1", "cat", "/var/log/maas/rackd.log").stdout
    assert "Fully connected" in log or "egion" in log
    assert "Lost all connections" not in log
