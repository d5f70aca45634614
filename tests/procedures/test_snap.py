"""The dev stack with `packaging: snap`: the same components and the same stack file but for that word.

`make test` deploys MAAS 3.4, whose snap runs a supervisor; `make test-all` 3.7 as well, whose snap runs Pebble.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from config.topology import MaasVersion
from config.versions import VERSIONS
from lab.cluster import Lab
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import files_holding, packages, sql, ssh_connections
from tests.engine.process_watch import ProcessWatch
from tests.engine.test_3_destroy import STAYS
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

REGIONS, RACKS = ("region1", "region2"), ("rack1", "rack2")
CONTROLLERS = (*REGIONS, *RACKS)
SECRET = "/var/snap/maas/common/maas/secret"


@dataclass(frozen=True)
class Deployed:
    """The stack after its first `up`, with what was seen before and meanwhile."""

    deployment: Deployment
    version: str
    watch: ProcessWatch
    snapshots: dict[str, list[str]]
    packages: dict[str, set[str]]

    @property
    def lab(self) -> Lab:
        return self.deployment.lab

    def run(self, host: str, command: str) -> str:
        """Output of a shell command that must succeed."""
        return self.lab.exec(host, "sh", "-c", command).stdout

    def processes(self) -> set[tuple[str, str]]:
        """Host and line of `ps`, pid first, of each service that the snaps run, and of PostgreSQL and HAProxy."""
        found = set()
        for host in CONTROLLERS:
            listed = self.run(host, "ps -o pid=,args= --ppid $(systemctl show -P MainPID 'snap.maas.*')").splitlines()
            assert listed
            found |= {(host, line.strip()) for line in listed}
        for host, unit in (("db1", "postgresql@15-main"), ("lb1", "haproxy")):
            found.add((host, self.run(host, f"systemctl show -P MainPID {unit}").strip()))
        return found


@pytest.fixture(scope="module", params=["3.4", pytest.param("3.7", marks=pytest.mark.all_versions)])
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    version = cast("MaasVersion", request.param)

    def by_snap(cluster: Cluster) -> None:
        cast("dict[str, object]", cluster["maas"])["packaging"] = "snap"
        # The hosts' distribution has no newer one than 15.
        cast("dict[str, object]", cluster["database"])["accept_unsupported"] = VERSIONS[version].min_postgres > 15

    folder = tmp_path_factory.mktemp("snap")
    with scenario(folder, "snap", maas=version, change=by_snap) as made:
        names = [host.name for host in made.lab.hosts]
        before = {name: made.lab.snapshot(name) for name in names}
        installed = {name: packages(made.lab, name) for name in names}
        with ProcessWatch() as watch:
            made.up()
        yield Deployed(made, version, watch, before, installed)


def test_1_a_working_maas_of_snaps(deployed: Deployed) -> None:
    seen = status(deployed.deployment)
    assert [(region.name, region.event_loops) for region in seen.regions] == [("region1", 2), ("region2", 2)]
    assert [(rack.name, rack.rackd.split(" ")[0]) for rack in seen.racks] == [
        ("rack1", "running"),
        ("rack2", "running"),
    ]
    [vlan] = seen.dhcp
    assert vlan.failover == {"rack1": "normal/normal", "rack2": "normal/normal"}
    assert seen.problems == []
    for host in CONTROLLERS:
        installed = deployed.run(host, "dpkg-query --show --showformat='${Package}\\n'").split()
        assert [name for name in installed if name.startswith("maas-")] == []


@pytest.mark.parametrize("host", CONTROLLERS)
def test_2_each_has_the_stable_snap_held_in_its_mode(deployed: Deployed, host: str) -> None:
    row = deployed.run(host, "snap list maas").splitlines()[-1].split()
    assert (row[0], row[3], row[5]) == ("maas", f"{deployed.version}/stable", "held")
    mode = "region" if host in REGIONS else "rack"
    assert deployed.run(host, "cat /var/snap/maas/common/snap_mode") == mode


def test_3_one_secret_with_its_owner_and_mode(deployed: Deployed) -> None:
    found = {deployed.run(host, f"stat -c '%U:%G %a' {SECRET}; cat {SECRET}") for host in CONTROLLERS}
    assert found == {f"root:root 640\n{deployed.deployment.secrets()['shared_secret']}"}
    for host in REGIONS:
        assert deployed.run(host, "stat -c '%U:%G %a' /var/snap/maas/current/regiond.conf") == "root:root 640\n"


def test_4_no_secret_in_an_argument_a_log_or_an_open_file(deployed: Deployed) -> None:
    """`maas init` would take the secret and the database's password as arguments (maas-facts §1.1)."""
    secrets = deployed.deployment.secrets()
    assert deployed.watch.holding("maas-ha-agent")
    for name, secret in secrets.items():
        assert deployed.watch.holding(secret) == [], name
    for host in deployed.lab.hosts:
        log = deployed.lab.exec(host.name, "journalctl", "-q", "--no-pager").stdout
        assert [name for name, secret in secrets.items() if secret in log] == []
        found = [(path, oct(mode)) for path, mode, _ in files_holding(deployed.lab, host.name, secrets)]
        assert [entry for entry in found if entry[1] not in ("0o600", "0o640")] == [], host.name


def test_5_up_again_changes_and_restarts_nothing(deployed: Deployed) -> None:
    logins, processes = ssh_connections(deployed.lab), deployed.processes()
    assert "unchanged" in deployed.deployment.up("--expect-no-changes")
    assert ssh_connections(deployed.lab) == logins
    assert deployed.processes() == processes


def test_6_workers_restart_one_region_alone(deployed: Deployed) -> None:
    before = deployed.processes()
    deployed.deployment.edit(workers)
    deployed.deployment.up()
    after = deployed.processes()
    assert {host for host, _ in after ^ before} == {"region1"}
    loops = json.loads(deployed.run("region1", "curl -s http://127.0.0.1:5240/MAAS/rpc/"))["eventloops"]
    assert sorted(name.split(":")[0] for name in loops) == ["region1"] * 3 + ["region2"] * 2
    assert sql(deployed.lab, "select count(*) from maasserver_node where node_type in (2, 3)") == ["4"]


def test_7_after_a_reboot_everything_is_back(deployed: Deployed) -> None:
    for host in ("region2", "rack1"):
        deployed.lab.reboot(host)
    seen = status(deployed.deployment)
    assert [region.event_loops for region in seen.regions] == [3, 2]


def test_8_packages_beside_the_snap_are_refused_before_anything_is_touched(deployed: Deployed) -> None:
    processes, file = deployed.processes(), deployed.deployment.read()

    def by_deb(cluster: Cluster) -> None:
        cast("dict[str, object]", cluster["maas"])["packaging"] = "deb"

    deployed.deployment.edit(by_deb)
    try:
        output = deployed.deployment.up_fails()
    finally:
        deployed.deployment.write(file)
    assert "this host has the snap maas, the stack file asks for packages" in output
    assert deployed.processes() == processes
    deployed.deployment.up()
    assert deployed.processes() == processes


def test_9_destroy_leaves_no_snap(deployed: Deployed) -> None:
    deployed.deployment.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    for host in CONTROLLERS:
        before, after = kept(deployed.snapshots[host]), kept(deployed.lab.snapshot(host))
        assert (sorted(after - before), sorted(before - after)) == ([], []), f"{host}: new, then gone"
        assert packages(deployed.lab, host) == deployed.packages[host]
    names = sql(deployed.lab, "select hostname from maasserver_node where node_type in (2, 3)")
    assert names == ["region1"]  # the last region is forgotten by nobody


def kept(lines: list[str]) -> set[str]:
    """A snapshot without what Debian's packages leave."""
    return {line for line in lines if not STAYS.match(line)}


def workers(cluster: Cluster) -> None:
    """A third worker for region1."""
    cast("dict[str, dict[str, int]]", cluster["regions"])["region1"]["workers"] = 3


def status(deployment: Deployment) -> Status:
    """What `maas-ha status` says, once it sees no problem any more."""
    deadline = time.monotonic() + 300
    command = ["maas-ha", "status", STACK, "--json"]
    while True:
        done = subprocess.run(
            command, cwd=deployment.folder, env=deployment.environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return Status.model_validate_json(done.stdout)
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(1)
