"""The dev stack on six real hosts with the real engine: up, again, previewed, changed. In order, on one cluster."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from lab.cluster import Lab
from tests.engine.deployment import PROJECT, STACK, Cluster, Deployment
from tests.engine.hosts import sql, ssh_connections, ssh_logins, unit_starts
from tests.engine.poller import Poller

pytestmark = pytest.mark.lab


def maas_ha(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["maas-ha", *arguments]
    return subprocess.run(
        command, cwd=deployment.folder, env=deployment.environment, capture_output=True, text=True, check=False
    )


def status(deployment: Deployment) -> dict[str, object]:
    done = maas_ha(deployment, "status", STACK, "--json")
    assert done.returncode == 0, done.stderr
    return cast("dict[str, object]", json.loads(done.stdout))


def workers(region: str, number: int) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        cast("dict[str, dict[str, int]]", cluster["regions"])[region]["workers"] = number

    return change


class TestPreviewOfNothing:
    """Before the first `up`."""

    def test_it_shows_files_and_opens_no_connection(self, deployment: Deployment, lab: Lab) -> None:
        before = ssh_connections(lab)
        shown = deployment.pulumi("preview", "--diff", "--stack", STACK)
        assert ssh_connections(lab) == before
        assert re.search(r"server region2 [\d.]+22:5240", shown)
        assert "num_workers: 2" in shown
        assert "<<secret:database_password>>" in shown
        assert re.search(r"\d+ to create", shown)


class TestUp:
    """The first deployment."""

    def test_it_ends_with_a_working_maas(self, deployment: Deployment, lab: Lab) -> None:
        deployment.up()
        address = lab.host("lb1").address
        assert deployment.outputs()["api_url"] == f"http://{address}/MAAS"
        seen = status(deployment)
        assert [region["name"] for region in cast("list[dict[str, object]]", seen["regions"])] == ["region1", "region2"]
        racks = cast("list[dict[str, object]]", seen["racks"])
        assert [(rack["name"], rack["rackd"]) for rack in racks] == [("rack1", "running"), ("rack2", "running")]
        [vlan] = cast("list[dict[str, object]]", seen["dhcp"])
        assert (vlan["dhcp_on"], vlan["primary"], vlan["secondary"]) == (True, "rack1", "rack2")
        assert vlan["failover"] == {"rack1": "normal/normal", "rack2": "normal/normal"}

    def test_what_was_made_was_made_once(self, deployment: Deployment, lab: Lab) -> None:
        assert sql(lab, "select count(*) from maasserver_node where node_type in (2, 3)") == ["4"]
        owner = "select r.rolname from pg_database d join pg_roles r on r.oid = d.datdba where datname = 'maasdb'"
        assert sql(lab, owner) == ["maas"]


class TestUpAgain:
    """Nothing to do."""

    def test_nothing_happens(self, deployment: Deployment, lab: Lab) -> None:
        logins, starts = ssh_connections(lab), unit_starts(lab)
        with Poller(str(deployment.outputs()["api_url"])) as poller:
            output = deployment.up("--expect-no-changes")
        assert re.search(r"\d+ unchanged", output)
        assert ssh_connections(lab) == logins
        assert unit_starts(lab) == starts
        assert poller.tried > 0
        assert poller.failed == []


class TestPreviewOfAChange:
    """A pull request's preview on a running stack."""

    def test_it_shows_the_line_and_opens_no_connection(self, deployment: Deployment, lab: Lab) -> None:
        before, file = ssh_connections(lab), deployment.read()
        deployment.edit(workers("region2", 3))
        try:
            shown = deployment.pulumi("preview", "--diff", "--stack", STACK)
            as_json = deployment.pulumi("preview", "--json", "--stack", STACK)
        finally:
            deployment.write(file)
        assert ssh_connections(lab) == before
        assert re.search(r"-\s+num_workers: 2", shown)
        assert re.search(r"\+\s+num_workers: 3", shown)
        for name, secret in deployment.secrets().items():
            assert secret not in shown, name
            assert secret not in as_json, name


class TestChange:
    """The number of workers of one region."""

    def test_only_that_region_is_touched(self, deployment: Deployment, lab: Lab) -> None:
        logins, starts = ssh_logins(lab), unit_starts(lab)
        deployment.edit(workers("region1", 3))
        deployment.up()
        assert touched(logins, ssh_logins(lab)) == {"region1"}
        assert restarted(starts, unit_starts(lab)) == {"region1 maas-regiond.service"}

    def test_postgresql_restarts_when_its_budget_grows(self, deployment: Deployment, lab: Lab) -> None:
        logins, starts = ssh_logins(lab), unit_starts(lab)
        deployment.edit(workers("region1", 8))
        deployment.up()
        assert touched(logins, ssh_logins(lab)) == {"region1", "db1"}
        assert restarted(starts, unit_starts(lab)) == {
            "region1 maas-regiond.service",
            "db1 postgresql@15-main.service",
        }
        assert sql(lab, "show max_connections") == ["150"]


def touched(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {host for host in after if after[host] != before[host]}


def restarted(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {unit for unit in after if after[unit] != before.get(unit)}


def test_the_copy_is_the_project(deployment: Deployment) -> None:
    """What is tested is what lies in the repository."""
    for path in (PROJECT / "components").rglob("*.py"):
        assert (deployment.folder / path.relative_to(PROJECT)).read_bytes() == Path(path).read_bytes()
