"""Every region is restarted and nobody notices: under load, with a region that fails, with an agent that is killed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.cluster import Lab
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.test_1_up import maas_ha
from tests.engine.test_4_kills import kill_agent
from tests.lab.standin.daemons.polling import eventually
from tests.procedures.rolling import (
    add_clients,
    assert_whole,
    in_order,
    load,
    moments,
    servers,
    states,
    wait_until_up,
    watched_up,
)
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "rack1": 31, "lb1": 41}
REGIONS = ("region1", "region2")
STOP_SECONDS = 3
"""How long regiond takes to stop."""
LONG_STOP_SECONDS = 95
"""How long region1's takes the first time: longer than systemd's own patience of 90 s."""


def small(cluster: Cluster) -> None:
    cluster["racks"], cluster["dhcp"] = ["rack1"], []
    cluster["regions"] = {"region1": {"workers": 1}, "region2": {"workers": 3}}


def set_workers(deployment: Deployment, region1: int, region2: int) -> None:
    def change(cluster: Cluster) -> None:
        cluster["regions"] = {"region1": {"workers": region1}, "region2": {"workers": region2}}

    deployment.edit(change)


def stops_in(lab: Lab, region: str, seconds: int) -> None:
    """What a regiond that starts from now on takes to stop."""
    lab.exec(region, "sh", "-c", f"mkdir -p /etc/maas; echo 'region_stop_s: {seconds}' >/etc/maas/standin.conf")


def seconds_to_stop(lab: Lab, region: str) -> float:
    """How long its regiond took the last time."""
    names = ("ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic")
    show = lab.exec(region, "systemctl", "show", "-p", ",".join(names), "maas-regiond.service").stdout
    told = dict(line.split("=") for line in show.splitlines())
    return (int(told[names[1]]) - int(told[names[0]])) / 1e6


def rackd(deployment: Deployment) -> str:
    """How MAAS calls the rack."""
    told = maas_ha(deployment, "status", STACK, "--json").stdout
    return Status.model_validate_json(told).racks[0].rackd


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("rolling"), "proc-roll", HOSTS, change=small) as made:
        for name in REGIONS:
            stops_in(made.lab, name, STOP_SECONDS)
        stops_in(made.lab, "region1", LONG_STOP_SECONDS)
        made.up()
        stops_in(made.lab, "region1", STOP_SECONDS)
        add_clients(made.lab)
        yield made


@pytest.fixture
def balanced(deployed: Deployment) -> list[str]:
    return [str(deployed.lab.host("lb1").address)]


def test_a_change_of_every_region_is_noticed_by_nobody(deployed: Deployment, balanced: list[str]) -> None:
    lab = deployed.lab
    before = {row["svname"]: int(row["stot"]) for row in servers(lab, "lb1")}
    set_workers(deployed, 3, 1)
    with load(deployed, balanced, at_least=2000):
        output = watched_up(deployed, "wait for requests in flight", ["lb1"], REGIONS)
    in_order(output, REGIONS, "restart maas-regiond.service")
    assert "cut off" not in output
    (_, first_back), (second_stops, _) = (moments(lab, region) for region in REGIONS)
    assert first_back < second_stops
    assert seconds_to_stop(lab, "region1") >= LONG_STOP_SECONDS
    after = {row["svname"]: int(row["stot"]) for row in servers(lab, "lb1")}
    assert all(after[region] > before[region] for region in REGIONS), "not every region had clients"
    log = lab.exec("region1", "journalctl", "-q", "-u", "maas-regiond", "--output=cat").stdout
    assert not re.search(r"timed out|SIGKILL", log), log
    assert_whole(deployed, "lb1")


def test_an_agent_that_is_killed_leaves_no_region_drained(deployed: Deployment, balanced: list[str]) -> None:
    set_workers(deployed, 1, 3)
    with load(deployed, balanced):
        process = deployed.start("up", "--yes", "--skip-preview", "--stack", STACK)
        assert process.stdout
        killed = False
        for line in process.stdout:
            if not killed and "region1: wait for requests in flight" in line:
                assert states(deployed.lab, "lb1")["region1"] == "DRAIN (agent)"
                killed = kill_agent(deployed.lab, "region1")
        assert process.wait() != 0
        assert killed
        wait_until_up(deployed.lab, "lb1")
        deployed.up()
    assert_whole(deployed, "lb1")


def test_no_rack_loses_its_last_region(deployed: Deployment) -> None:
    """The rack reaches region1 alone: the roll stops before that region, and goes on once the cable is back."""
    lab, other = deployed.lab, deployed.lab.host("region2").address
    before = moments(lab, "region1")
    lab.exec("rack1", "ip", "route", "replace", "blackhole", str(other))
    eventually(lambda: rackd(deployed).startswith("degraded (25%"), "the rack has region1 alone")
    set_workers(deployed, 3, 1)
    try:
        output = deployed.up_fails()
    finally:
        lab.exec("rack1", "ip", "route", "del", "blackhole", str(other))
    assert "rack1 is connected to this region alone" in output
    assert "This region isn't restarted, since nobody would stand in for it" in output
    assert moments(lab, "region1") == before
    assert {*states(lab, "lb1").values()} == {"UP"}
    set_workers(deployed, 1, 3)
    deployed.up()
    eventually(lambda: rackd(deployed) == "running", "the rack has all regions")
    assert moments(lab, "region1") == before
    assert_whole(deployed, "lb1")


DROP_IN = "/run/systemd/system/maas-regiond.service.d/cut.conf"


def test_a_region_that_fails_its_check_stops_the_roll(deployed: Deployment, balanced: list[str]) -> None:
    """Its API is as it should be, but the rack can't come back to it: the cable between the two is cut meanwhile."""
    lab = deployed.lab
    rack = lab.host("rack1").address
    lab.exec("region1", "mkdir", "-p", DROP_IN.rpartition("/")[0])
    lab.exec("region1", "tee", DROP_IN, input=f"[Service]\nExecStartPre=+ip route replace blackhole {rack}\n")
    lab.exec("region1", "systemctl", "daemon-reload")
    untouched = moments(lab, "region2")
    set_workers(deployed, 2, 2)
    with load(deployed, balanced):
        output = deployed.up_fails()
        wait_until_up(lab, "lb1")
    assert "region1: health: racks that are connected again not reached" in output
    assert "rack1 isn't connected to this region's 2 event loops" in output
    assert "let it reach ports 5250 to 5259 of this host, then apply again" in output
    assert moments(lab, "region2") == untouched
    conf = lab.exec("region1", "cat", "/etc/maas/regiond.conf").stdout
    assert "num_workers: 1\n" in conf
    lab.exec("region1", "sh", "-c", f"rm {DROP_IN}; systemctl daemon-reload; ip route del blackhole {rack}")
    with load(deployed, balanced):
        deployed.up()
    assert_whole(deployed, "lb1")
