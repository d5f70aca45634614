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
from ops.drill_report import Report
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


def drilled(made: Deployment, *arguments: str) -> tuple[int, Report]:
    done = maas_ha(made, "drill", STACK, *arguments, "--break-live-stack", STACK, "--json")
    assert done.stdout, done.stderr
    return done.returncode, Report.model_validate_json(done.stdout)


def tags_in_maas(made: Deployment) -> int:
    sql = "SELECT name FROM maasserver_tag"
    names = made.lab.exec("db1", "runuser", "-u", "postgres", "--", "psql", "-tAc", sql, "maasdb").stdout.split()
    return sum(name.startswith(PREFIX) for name in names)


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


def test_region_killed(made: Deployment) -> None:
    """What only reads is asked of another region at once; this one is down at the next check."""
    code, report = drilled(made, "region")
    assert (code, report.passed) == (0, []), report
    assert report.host in ("region1", "region2")
    assert report.tried > 400
    assert report.acknowledged > 80
    leaves_nothing(made)


@pytest.mark.parametrize(("role", "fault"), [("region", "hang"), ("balancer", "stop")])
def test_nothing_acknowledged_is_lost(made: Deployment, role: str, fault: str) -> None:
    """Requests that hang with a region, or come to an address on its way, fail; the limits are told, not reached."""
    _, report = drilled(made, role, "--fault", fault)
    assert report.lost == []
    assert report.served_again_after is not None
    assert report.timeline[-2].failed == 0
    leaves_nothing(made)


def test_balancer_killed(made: Deployment) -> None:
    code, report = drilled(made, "balancer", "--seconds", "10")
    assert (code, report.passed) == (0, []), report
    assert report.host in ("lb1", "lb2")
    leaves_nothing(made)


def test_a_signal_undoes(made: Deployment) -> None:
    process = _started(made)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "interrupted: all is undone" in said
    leaves_nothing(made)


def test_operator_and_agent_are_killed(made: Deployment) -> None:
    """systemd undoes it once the time is up; the tags that stay are deleted by the next drill."""
    process = _started(made, "--seconds", "5")
    made.lab.exec("region1", "sh", "-c", "kill -KILL $(cat /var/lib/maas-ha/lock)")
    process.kill()
    process.communicate()
    eventually(lambda: maas_ha(made, "verify", STACK).returncode == 0, "undone by systemd", 300)
    assert tags_in_maas(made) > 0
    drilled(made, "balancer", "--seconds", "5")
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
        if "hang region on region1" in line:
            return process
    raise AssertionError("".join(said))
