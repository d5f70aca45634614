"""Regions come to a running cluster and leave it, the first one too: nobody else is restarted, nobody waits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from lab.cluster import Lab
from tests.engine.deployment import Cluster, Deployment
from tests.engine.hosts import sql, unit_starts
from tests.engine.poller import Poller
from tests.engine.test_1_up import status
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "region3": 23, "rack1": 31, "lb1": 41}
WORKERS = {"region1": 2, "region2": 2, "region3": 1}
"""So many that `max_connections` is the same for one region and for three."""


def regions(*names: str) -> Callable[[Cluster], None]:
    """These regions in this order, on hosts of their own; the other regions' hosts aren't the stack's."""

    def change(cluster: Cluster) -> None:
        hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
        network = hosts["db1"]["address"].rpartition(".")[0]
        for name in WORKERS:
            hosts.pop(name, None)
        for name in names:
            hosts[name] = {"address": f"{network}.{HOSTS[name]}"}
        cluster["regions"] = {name: {"workers": WORKERS[name]} for name in names}

    return change


def alone(cluster: Cluster) -> None:
    regions("region1")(cluster)
    cluster["racks"], cluster["dhcp"] = ["rack1"], []


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("regions"), "region", HOSTS, change=alone) as made:
        install = "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install bind9"
        made.lab.exec("region3", "sh", "-c", install)
        made.up()
        yield made


@contextmanager
def nobody_else_notices(deployment: Deployment, *but: str) -> Iterator[None]:
    """No unit on a host other than `but` is started, stopped or restarted, and no request is lost meanwhile."""
    before = unit_starts(deployment.lab)
    with Poller(str(deployment.outputs()["api_url"])) as poller:
        yield
    after = unit_starts(deployment.lab)
    assert poller.tried > 0
    assert poller.failed == [], deployment.lab.exec("lb1", "journalctl", "-q", "-u", "haproxy.service").stdout
    others = {unit for unit in before.keys() | after.keys() if unit.split(" ")[0] not in but}
    assert {unit for unit in others if before.get(unit) != after.get(unit)} == set()


def known_regions(lab: Lab) -> list[str]:
    """What MAAS itself has in its database."""
    return sql(lab, "select hostname from maasserver_node where node_type in (3, 4) order by 1")


def assert_serves(deployment: Deployment, *names: str) -> None:
    """Exactly these regions with all their event loops, and every rack connected to all of them."""
    seen = status(deployment)
    assert seen.problems == []
    assert [(region.name, region.event_loops) for region in seen.regions] == [(name, WORKERS[name]) for name in names]
    assert [rack.rackd.split(" ")[0] for rack in seen.racks] == ["running"]
    assert known_regions(deployment.lab) == sorted(names)


def commands(deployment: Deployment) -> dict[str, str]:
    """Every region's command and what it was last told."""
    listed = [str(item["urn"]).rsplit("::", 1)[1] for item in deployment.resources()]
    return {name: deployment.bundle(name) for name in listed if name.endswith("-region-apply")}


def test_a_second_and_a_third(deployed: Deployment) -> None:
    told = commands(deployed)
    deployed.edit(regions("region1", "region2", "region3"))
    with nobody_else_notices(deployed, "region2", "region3"):
        output = deployed.up()
    assert_serves(deployed, "region1", "region2", "region3")
    assert not re.search(r"region1-region-apply updat", output), output
    assert commands(deployed)["region1-region-apply"] == told["region1-region-apply"]


@pytest.mark.parametrize(("region", "starts"), [("region2", 1), ("region3", 2)])
def test_bind9_reads_what_the_package_edited(deployed: Deployment, region: str, starts: int) -> None:
    """Where it ran already it is restarted once; elsewhere regiond starts it, after the package (maas-facts §10)."""
    log = deployed.lab.exec(region, "journalctl", "-q", "-u", "named.service", "--output=cat").stdout.splitlines()
    assert sum("Started" in line for line in log) == starts, log
    named, options = "systemctl show -p ActiveEnterTimestamp --value named", "stat -c %Y /etc/bind/named.conf.options"
    script = f'test "$(date -d "$({named})" +%s)" -ge "$({options})"'
    assert deployed.lab.exec(region, "sh", "-c", script, check=False).returncode == 0


@pytest.mark.parametrize("region", ["region1", "region2", "region3"])
def test_everything_starts_at_boot(deployed: Deployment, region: str) -> None:
    units = ("maas-regiond", "maas-http", "maas-proxy", "maas-syslog", "named")
    shown = deployed.lab.exec(region, "systemctl", "is-enabled", *units, "chrony", check=False).stdout.split()
    assert shown == ["enabled"] * (len(units) + 1)
    # A lab's host may not set its clock, so that chrony doesn't start there.
    shown = deployed.lab.exec(region, "systemctl", "is-active", *units, check=False).stdout.split()
    assert shown == ["active"] * len(units)


def test_the_third_goes(deployed: Deployment) -> None:
    told = commands(deployed)
    deployed.edit(regions("region1", "region2"))
    with nobody_else_notices(deployed, "region3"):
        deployed.up()
    assert_serves(deployed, "region1", "region2")
    del told["region3-region-apply"]
    assert commands(deployed) == told
    left = deployed.lab.exec("region3", "sh", "-c", "ls -d /etc/maas /var/lib/maas /var/lib/maas-ha 2>&1", check=False)
    assert left.returncode != 0


def test_the_first_goes_and_the_next_takes_its_place(deployed: Deployment) -> None:
    """PostgreSQL no longer lets it in by then: the key with which MAAS is told is the one it kept."""
    before = deployed.outputs()
    deployed.edit(regions("region2"))
    with nobody_else_notices(deployed, "region1"):
        output = deployed.up()
    assert "this was the last region" not in output
    assert_serves(deployed, "region2")
    after = deployed.outputs()
    assert after["api_key"] == before["api_key"]
    assert sql(deployed.lab, "select count(*) from auth_user where username = 'admin'") == ["1"]


def test_the_first_comes_back_as_the_second_and_tells_what_it_logged(deployed: Deployment) -> None:
    """MAAS can't start its proxy there: it says so in its log alone and goes on (maas-facts §0a row 2)."""
    deployed.edit(regions("region2", "region1"))
    deployed.lab.exec("region1", "systemctl", "mask", "--runtime", "maas-proxy.service")
    with nobody_else_notices(deployed, "region1"):
        output = deployed.up()
    assert re.search(r"regiond logged: .*maas-proxy", output), output
    seen = status(deployed)
    assert seen.problems == []
    assert known_regions(deployed.lab) == ["region1", "region2"]
    deployed.up("--expect-no-changes")
