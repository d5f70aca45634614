"""Drills on a cluster that nothing of may be missed: what clients feel, and that nothing of a drill is left.

In order, on one cluster.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from typing import cast

import pytest

from ops.drill_load import PREFIX
from ops.drill_report import Drill, Report
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.test_1_up import maas_ha
from tests.lab.standin.daemons.polling import eventually
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "lb1": 41, "lb2": 42}
TIMER = "systemctl is-active maas-ha-drill.timer"


def shape(cluster: Cluster) -> None:
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    network = hosts["db1"]["address"].rpartition(".")[0]
    cluster["regions"] = {"region1": {"workers": 1}, "region2": {"workers": 1}}
    cluster["racks"], cluster["dhcp"] = ["db1"], []
    cluster["load_balancer"] = {"hosts": ["lb1", "lb2"], "virtual_address": f"{network}.40/24"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("drill"), "proc-drill", HOSTS, change=shape) as deployment:
        deployment.up()
        yield deployment


def drilled(made: Deployment, *arguments: str) -> tuple[int, Drill]:
    done = maas_ha(made, "drill", STACK, *arguments, "--break-live-stack", STACK, "--json")
    assert done.stdout, done.stderr
    [drill] = Report.model_validate_json(done.stdout).drills
    return done.returncode, drill


def tags_in_maas(made: Deployment) -> int:
    sql = "SELECT name FROM maasserver_tag"
    names = made.lab.exec("db1", "runuser", "-u", "postgres", "--", "psql", "-tAc", sql, "maasdb").stdout.split()
    return sum(name.startswith(PREFIX) for name in names)


def regionds(made: Deployment) -> dict[str, str]:
    """Region → process."""
    argv = ("systemctl", "show", "-p", "MainPID", "--value", "maas-regiond.service")
    return {name: made.lab.exec(name, *argv).stdout.strip() for name in ("region1", "region2")}


def process_states(made: Deployment, region: str) -> set[str]:
    """The kernel's letters for the processes of its regiond: T for one that was sent SIGSTOP."""
    rows = [line.split() for line in made.lab.exec(region, "ps", "-eo", "unit=,state=").stdout.splitlines()]
    return {state for unit, state in rows if unit == "maas-regiond.service"}


def leaves_nothing(made: Deployment) -> None:
    assert tags_in_maas(made) == 0
    for host in ("region1", "region2", "lb1", "lb2"):
        assert made.lab.exec(host, "sh", "-c", TIMER, check=False).stdout.strip() == "inactive", host
    done = maas_ha(made, "verify", STACK)
    assert done.returncode == 0, done.stdout


def test_the_name_of_the_stack_is_asked_for(made: Deployment) -> None:
    done = maas_ha(made, "drill", STACK, "region")
    assert done.returncode == 1
    assert "nothing was done: type the stack's name" in done.stderr


def test_what_nothing_takes_over_from_stays_as_it_is(made: Deployment) -> None:
    for kind, why in (("database", "db1 has the stack's one PostgreSQL"), ("rack", "db1 is the stack's only rack")):
        done = maas_ha(made, "drill", STACK, kind, "--break-live-stack", STACK)
        assert done.returncode == 1
        assert f"nothing was done: {why}" in done.stderr


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_region(made: Deployment, fault: str) -> None:
    """What only reads is asked of another region at once, and one that hangs gets no more than it had."""
    before = regionds(made)
    code, drill = drilled(made, "region", "--fault", fault)
    assert (code, drill.exceeded) == (0, []), drill
    [hit] = drill.hosts
    if fault == "kill":
        assert {name for name, process in regionds(made).items() if process != before[name]} == {hit}
    else:
        assert regionds(made) == before
    assert drill.reads.tried > 200
    assert drill.acknowledged > 50
    assert {seen.rack: set(seen.regions) for seen in drill.racks} == {"db1": {"region1", "region2"}}
    leaves_nothing(made)


@pytest.mark.parametrize("fault", ["kill", "off"])
def test_balancer(made: Deployment, fault: str) -> None:
    code, drill = drilled(made, "balancer", "--fault", fault)
    assert (code, drill.exceeded) == (0, []), drill
    assert drill.hosts[0] in ("lb1", "lb2")
    leaves_nothing(made)


def test_a_signal_undoes(made: Deployment) -> None:
    process = _started(made)
    assert process_states(made, "region1") == {"T"}, "its regiond is stopped, every process of it"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "interrupted: all is undone" in said
    assert "T" not in process_states(made, "region1")
    leaves_nothing(made)


def test_operator_and_agent_are_killed(made: Deployment) -> None:
    """systemd undoes it once the time is up; the tags that stay are deleted by the next drill."""
    process = _started(made, "--seconds", "20")
    made.lab.exec("region1", "sh", "-c", "kill -KILL $(cat /var/lib/maas-ha/lock)")
    process.kill()
    process.communicate()
    eventually(lambda: maas_ha(made, "verify", STACK).returncode == 0, "undone by systemd", 300)
    assert tags_in_maas(made) > 0
    drilled(made, "balancer")
    leaves_nothing(made)


def _started(made: Deployment, *options: str) -> subprocess.Popen[str]:
    """A hang of region1 that has begun."""
    process = subprocess.Popen(
        ["maas-ha", "drill", STACK, "region", "region1", "--fault", "hang", "--break-live-stack", STACK, *options],
        cwd=made.folder,
        env=made.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if "hang region1" in line:
            return process
    raise AssertionError("".join(said))
