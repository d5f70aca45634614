"""`maas-ha plan` keeps its word: what it says is what the hosts' own units and files show after `pulumi up`."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from lab.cluster import Lab
from ops.plan import Plan
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.test_1_up import maas_ha, status
from tests.procedures.scenario import HOSTS, scenario

pytestmark = pytest.mark.lab

WATCHED = {
    "db1": ("postgresql@15-main.service",),
    "lb1": ("haproxy.service",),
    "region1": ("maas-regiond.service",),
    "region2": ("maas-regiond.service",),
    "rack1": ("maas-rackd.service", "maas-dhcpd.service"),
    "rack2": ("maas-rackd.service", "maas-dhcpd.service"),
    "rack3": ("maas-dhcpd.service",),
}
"""The units that the components' files speak to, and dhcpd, which MAAS itself starts and stops."""
FELT_SECONDS = 120.0


@dataclass(frozen=True)
class Seen:
    """What a host shows."""

    units: dict[str, tuple[str, str, str]]
    """Unit → its state, when it became active, and when its state changed last (a reload changes only that)."""
    files: dict[str, str]
    """Path → digest."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    hosts = {**HOSTS, "rack3": 33}

    def without_rack3(cluster: Cluster) -> None:
        del cast("dict[str, object]", cluster["hosts"])["rack3"]

    with scenario(tmp_path_factory.mktemp("plan"), "plan", hosts, change=without_rack3) as made:
        made.up()
        yield made


def plan_of(deployment: Deployment) -> Plan:
    """What `maas-ha plan` says of the stack file as it is."""
    command = shutil.which("maas-ha", path=deployment.environment["PATH"])
    assert command
    done = subprocess.run(
        [command, "plan", STACK, "--format", "json"],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Plan.model_validate_json(done.stdout)


def look(lab: Lab, host: str, paths: set[str]) -> Seen:
    units, at = {}, "TimestampMonotonic"
    for unit in WATCHED.get(host, ()):
        properties = "ActiveState,ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic"
        shown = lab.exec(host, "systemctl", "show", "-p", properties, unit).stdout
        values = dict(line.split("=", 1) for line in shown.split())
        units[unit] = (values["ActiveState"], values[f"ActiveEnter{at}"], values[f"StateChange{at}"])
    summed = lab.exec(
        host, "sh", "-c", 'for path; do sha256sum "$path" 2>&1 || true; done', "sh", *sorted(paths)
    ).stdout
    files = dict(zip(sorted(paths), summed.splitlines(), strict=True)) if paths else {}
    return Seen(units, files)


def felt(before: Seen, after: Seen) -> set[str]:
    """What happened to the units, in the plan's words."""
    found = set()
    for unit, (state, entered, changed) in before.units.items():
        now = after.units[unit]
        if (state == "active") != (now[0] == "active"):
            found.add(f"{'stop' if state == 'active' else 'start'} {unit}")
        elif now[1] != entered:
            found.add(f"restart {unit}")
        elif now[2] != changed and state == "active":
            found.add(f"reload {unit}")
    return found


def wait_until_felt(lab: Lab, host: str, before: Seen, planned: set[str]) -> set[str]:
    """What happened to the units, once all that was planned has: MAAS tells dhcpd in its own time."""
    deadline = time.monotonic() + FELT_SECONDS
    while not planned <= (found := felt(before, look(lab, host, set()))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def region(cluster: Cluster, name: str) -> dict[str, object]:
    return cast("dict[str, dict[str, object]]", cluster["regions"])[name]


def pair(cluster: Cluster) -> dict[str, object]:
    return cast("list[dict[str, object]]", cluster["dhcp"])[0]


def workers(name: str, number: int) -> Callable[[Cluster], None]:
    return lambda cluster: region(cluster, name).update(workers=number)


def both_workers(cluster: Cluster) -> None:
    region(cluster, "region1")["workers"] = region(cluster, "region2")["workers"] = 3


def past_the_budget(cluster: Cluster) -> None:
    region(cluster, "region1")["workers"] = 9


def dhcp_range(first: int, last: int) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        network = str(cast("dict[str, dict[str, str]]", cluster["hosts"])["db1"]["address"]).rpartition(".")[0]
        pair(cluster)["range"] = {"start": f"{network}.{first}", "end": f"{network}.{last}"}

    return change


def swap(cluster: Cluster) -> None:
    one = pair(cluster)
    one["primary"], one["secondary"] = one["secondary"], one["primary"]


def no_dhcp(cluster: Cluster) -> None:
    cluster["dhcp"] = []


def dhcp_again(cluster: Cluster) -> None:
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    network = hosts["db1"]["address"].rpartition(".")[0]
    subnet = {"subnet": f"{network}.0/24", "range": {"start": f"{network}.110", "end": f"{network}.190"}}
    cluster["dhcp"] = [{**subnet, "primary": "rack1", "secondary": "rack2"}]


def dhcp_switch(*, on: bool) -> Callable[[Cluster], None]:
    return lambda cluster: pair(cluster).update(enabled=on)


def third_rack(cluster: Cluster) -> None:
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    hosts["rack3"] = {"address": hosts["rack1"]["address"].rpartition(".")[0] + ".33"}
    cast("list[str]", cluster["racks"]).append("rack3")


def no_third_rack(cluster: Cluster) -> None:
    del cast("dict[str, object]", cluster["hosts"])["rack3"]
    cast("list[str]", cluster["racks"]).remove("rack3")


def comment_only(cluster: Cluster) -> None:
    cast("dict[str, object]", cluster["maas"])["packaging"] = "deb"  # its default, written out


EDITS: dict[str, Callable[[Cluster], None]] = {
    "a default is written out": comment_only,
    "one region gets a worker": workers("region1", 3),
    "and loses it": workers("region1", 2),
    "the other region gets one": workers("region2", 3),
    "both get some": both_workers,
    "more workers than the connections allow": past_the_budget,
    "few workers again": workers("region1", 2),
    "the DHCP range grows": dhcp_range(100, 210),
    "it shrinks": dhcp_range(110, 190),
    "primary and secondary swap": swap,
    "and swap back": swap,
    "DHCP is turned off": dhcp_switch(on=False),
    "and on": dhcp_switch(on=True),
    "no DHCP": no_dhcp,
    "DHCP again": dhcp_again,
    "a third rack": third_rack,
    "its DHCP": lambda cluster: pair(cluster).update(secondary="rack3"),
    "back to the old one": lambda cluster: pair(cluster).update(secondary="rack2"),
    "no third rack": no_third_rack,
}
"""In this order, each on top of those before."""


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_is_planned_is_what_happens(deployed: Deployment, edit: Callable[[Cluster], None]) -> None:
    deployed.edit(edit)
    plan = plan_of(deployed)
    components = {host.host: host.components for host in plan.hosts}
    paths = {host: {file.path for part in components.get(host, []) for file in part.files} for host in WATCHED}
    before = {host: look(deployed.lab, host, paths[host]) for host in paths}
    deployed.up()
    for host in WATCHED:
        planned = {effect for part in components.get(host, []) for effect in part.effects}
        assert wait_until_felt(deployed.lab, host, before[host], planned) == planned, (host, plan.summary)
    after = {host: look(deployed.lab, host, paths[host]) for host in paths}
    for host, files in paths.items():
        assert {path for path in files if before[host].files[path] != after[host].files[path]} == files, host
    assert plan_of(deployed).hosts == []


def test_status_tells_of_every_host(deployed: Deployment) -> None:
    """Each agent's own part, from real services."""
    found = status(deployed)
    assert found.problems == []
    (database,), (balancer,) = found.databases, found.balancers
    assert database.connections is not None
    assert 0 < database.connections < database.allowed
    assert (balancer.host, balancer.regions) == ("lb1", {"region1": "UP", "region2": "UP"})
    for rack in found.racks:
        assert rack.regions == {region.name: f"{region.event_loops}/{region.event_loops}" for region in found.regions}
    assert {one.name for one in found.certificates} == {"authority", "PostgreSQL on db1"}


def test_a_host_that_drifted_is_repaired(deployed: Deployment) -> None:
    """By its own last transactions; the engine has nothing to do then."""
    conf = "/etc/haproxy/haproxy.cfg"
    deployed.lab.exec("lb1", "sh", "-c", f"echo '# by hand' >>{conf}; chmod 0600 {conf}")
    drifted = maas_ha(deployed, "verify", STACK)
    assert drifted.returncode == 1, drifted.stderr
    assert f"lb1: lb1-haproxy: {conf} has other content" in drifted.stdout
    repaired = maas_ha(deployed, "verify", STACK, "--repair", "lb1")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "# by hand" not in deployed.lab.exec("lb1", "cat", conf).stdout
    assert maas_ha(deployed, "verify", STACK).returncode == 0
    deployed.up("--expect-no-changes")


def test_a_host_that_does_not_answer_is_named(deployed: Deployment) -> None:
    deployed.lab.poweroff("rack2")
    try:
        silent = maas_ha(deployed, "verify", STACK)
        assert silent.returncode == 2
        assert "rack2: " in silent.stdout
        shown = maas_ha(deployed, "status", STACK, "--json")
        assert shown.returncode == 1
        assert any(problem.startswith("rack2: ") for problem in Status.model_validate_json(shown.stdout).problems)
    finally:
        deployed.lab.poweron("rack2")
