"""The dev stack on six real hosts with the real engine: up, again, previewed, changed. In order, on one cluster."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from lab.cluster import Lab
from ops.status import Status
from tests.engine.deployment import PROJECT, STACK, Cluster, Deployment
from tests.engine.hosts import files_holding, sql, ssh_connections, ssh_logins, unit_starts
from tests.engine.poller import Poller
from tests.engine.process_watch import ProcessWatch

pytestmark = pytest.mark.lab


def maas_ha(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["maas-ha", *arguments]
    return subprocess.run(
        command, cwd=deployment.folder, env=deployment.environment, capture_output=True, text=True, check=False
    )


def status(deployment: Deployment) -> Status:
    done = maas_ha(deployment, "status", STACK, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return Status.model_validate_json(done.stdout)


def workers(region: str, number: int) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        cast("dict[str, dict[str, int]]", cluster["regions"])[region]["workers"] = number

    return change


class TestPreviewOfNothing:
    """Before the first `up`."""

    def test_it_shows_files_and_opens_no_connection(self, deployment: Deployment, lab: Lab) -> None:
        before = ssh_connections(lab)
        # Of a new text the engine shows three lines, unless told to show all of it.
        shown = deployment.pulumi("preview", "--diff", "--show-full-output", "--stack", STACK)
        assert ssh_connections(lab) == before
        assert re.search(r"server region2 [\d.]+22:5240", shown)
        assert re.search(r"num_workers *: 2", shown)
        assert "<<secret:database_password>>" in shown
        assert re.search(r"\d+ to create", shown)


@dataclass(frozen=True)
class FirstUp:
    """The first deployment, as the engine told it, and the processes that were seen meanwhile."""

    output: str
    watch: ProcessWatch


@pytest.fixture(scope="module")
def first_up(deployment: Deployment) -> FirstUp:
    with ProcessWatch() as watch:
        output = deployment.up()
    return FirstUp(output, watch)


class TestUp:
    """The first deployment."""

    def test_it_ends_with_a_working_maas(self, deployment: Deployment, lab: Lab, first_up: FirstUp) -> None:
        address = lab.host("lb1").address
        assert f"http://{address}/MAAS" in first_up.output
        seen = status(deployment)
        assert seen.api_url == f"http://{address}/MAAS"
        assert [(region.name, region.event_loops) for region in seen.regions] == [("region1", 2), ("region2", 2)]
        assert [(rack.name, rack.rackd.split(" ")[0]) for rack in seen.racks] == [
            ("rack1", "running"),
            ("rack2", "running"),
        ]
        [vlan] = seen.dhcp
        assert (vlan.dhcp_on, vlan.primary, vlan.secondary) == (True, "rack1", "rack2")
        assert vlan.failover == {"rack1": "normal/normal", "rack2": "normal/normal"}
        assert seen.problems == []

    def test_what_was_made_was_made_once(self, lab: Lab, first_up: FirstUp) -> None:
        assert sql(lab, "select count(*) from maasserver_node where node_type in (2, 3)") == ["4"]
        owner = "select r.rolname from pg_database d join pg_roles r on r.oid = d.datdba where datname = 'maasdb'"
        assert sql(lab, owner) == ["maas"]

    def test_postgresql_lets_in_the_regions_alone(self, lab: Lab, first_up: FirstUp) -> None:
        network = str(lab.inventory.shape.network.network_address).rpartition(".")[0]
        rules = sql(lab, "select type, address, auth_method from pg_hba_file_rules where type like 'host%' order by 2")
        assert rules == [f"hostssl|{network}.{octet}|scram-sha-256" for octet in (21, 22)]
        assert sql(lab, "select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid) where s.ssl")[0] != "0"

    @pytest.mark.parametrize("rack", ["rack1", "rack2"])
    def test_rackd_never_started_without_its_secret(self, lab: Lab, first_up: FirstUp, rack: str) -> None:
        """Its package starts it at once; the condition that was there before lets it pass only with the secret."""
        log = lab.exec(rack, "journalctl", "-q", "-u", "maas-rackd.service", "--output=cat").stdout.splitlines()
        assert "ConditionPathExists=/var/lib/maas/secret" in log[0]
        assert sum("Started" in line for line in log) == 1


@pytest.fixture(scope="module")
def secrets(deployment: Deployment, first_up: FirstUp) -> dict[str, str]:
    secrets = deployment.secrets()
    assert {"admin_password", "api_key", "shared_secret", "cluster-database-password"} <= secrets.keys()
    assert min(map(len, secrets.values())) >= 32
    return secrets


class TestSecrets:
    """Where the secrets of the first deployment are, and above all where they are not."""

    def test_not_in_any_argument_or_environment(self, secrets: dict[str, str], first_up: FirstUp) -> None:
        assert first_up.watch.holding("maas-ha-agent")
        for name, secret in secrets.items():
            assert first_up.watch.holding(secret) == [], name

    def test_not_in_the_output_nor_in_the_state(
        self, secrets: dict[str, str], first_up: FirstUp, deployment: Deployment
    ) -> None:
        stored = [path.read_text() for path in (deployment.folder / "state").rglob("*") if path.is_file()]
        assert any("db1-postgres" in text for text in stored)
        for name, secret in secrets.items():
            assert secret not in first_up.output, name
            assert not any(secret in text for text in stored), name

    def test_on_disk_only_in_files_that_are_closed_to_others(self, secrets: dict[str, str], lab: Lab) -> None:
        open_files, found = [], set()
        for host in lab.hosts:
            for path, mode, holds in files_holding(lab, host.name, secrets):
                found |= {(host.name, name) for name in holds}
                if mode not in (0o600, 0o640):
                    open_files.append((host.name, path, oct(mode), sorted(holds)))
        assert open_files == []
        assert ("region1", "cluster-database-password") in found
        assert ("rack2", "shared_secret") in found

    def test_not_in_any_log(self, secrets: dict[str, str], lab: Lab) -> None:
        for host in lab.hosts:
            log = lab.exec(host.name, "journalctl", "-q", "--no-pager").stdout
            assert log
            for name, secret in secrets.items():
                assert secret not in log, (host.name, name)


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
        assert re.search(r"num_workers *: 2 => 3", shown)
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
