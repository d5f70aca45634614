"""MAAS 3.5 to 3.7 on real hosts: what they add to 3.4, which `tests/engine` deploys, is there and stays put.

`make test` deploys the last, `make test-all` the ones between as well.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import cast

import pytest

from agent.drain import LOCK
from agent.packaging import rack_log, region_log
from config.topology import MaasVersion
from config.versions import VERSIONS, VersionFacts
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import unit_starts
from tests.engine.test_1_up import maas_ha, status, workers
from tests.lab.standin.daemons.polling import becomes, eventually
from tests.procedures.rolling import servers
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

BROKEN = "/run/systemd/system/maas-regiond.service.d/broken.conf"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("3.5", marks=pytest.mark.all_versions),
        pytest.param("3.6", marks=pytest.mark.all_versions),
        "3.7",
    ],
)
def version(request: pytest.FixtureRequest) -> MaasVersion:
    return cast("MaasVersion", request.param)


@pytest.fixture(scope="module")
def deployed(version: MaasVersion, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    def old_postgres(cluster: Cluster) -> None:
        """The hosts' distribution has no newer one than 15."""
        cast("dict[str, object]", cluster["database"])["accept_unsupported"] = VERSIONS[version].min_postgres > 15

    folder = tmp_path_factory.mktemp("versions")
    with scenario(folder, "versions", maas=version, change=old_postgres) as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def facts(version: MaasVersion) -> VersionFacts:
    return VERSIONS[version]


@pytest.fixture(scope="module")
def seen(deployed: Deployment) -> Status:
    return status(deployed)


def passed(deployed: Deployment, port: int) -> tuple[int, int]:
    """Connections that HAProxy has passed from `port` to regions so far, and those that it couldn't."""
    ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock')"
    ask += "; s.sendall(b'show stat\\n'); print(s.makefile().read())"
    table = csv.DictReader(deployed.lab.exec("lb1", "python3", "-c", ask).stdout.lstrip("# ").strip().splitlines())
    servers = [row for row in table if row["pxname"] == f"maas-{port}" and row["svname"].startswith("region")]
    assert len(servers) == 2
    return sum(int(row["stot"]) for row in servers), sum(int(row["econ"]) for row in servers)


def test_it_works(seen: Status, version: MaasVersion) -> None:
    assert seen.problems == []
    versions = {region.version for region in seen.regions} | {rack.version for rack in seen.racks}
    assert all(known.startswith(f"{version}.") for known in versions), versions
    assert [(region.name, region.event_loops) for region in seen.regions] == [("region1", 2), ("region2", 2)]
    assert [(rack.name, rack.rackd.split(" ")[0]) for rack in seen.racks] == [
        ("rack1", "running"),
        ("rack2", "running"),
    ]
    [vlan] = seen.dhcp
    assert vlan.failover == {"rack1": "normal/normal", "rack2": "normal/normal"}


@pytest.mark.parametrize("region", ["region1", "region2"])
def test_the_versions_own_units_run_and_start_at_boot(deployed: Deployment, facts: VersionFacts, region: str) -> None:
    for unit in (*facts.region_units, "maas-temporal.service"):
        assert deployed.lab.exec(region, "systemctl", "is-active", unit, check=False).stdout == "active\n", unit
    for unit in facts.region_units:
        assert deployed.lab.exec(region, "systemctl", "is-enabled", unit, check=False).stdout == "enabled\n", unit


@pytest.mark.parametrize("region", ["region1", "region2"])
def test_each_region_names_its_own_address_to_its_peers(deployed: Deployment, region: str) -> None:
    """Left empty, Temporal would take the address that faces the balanced one (maas-facts §2)."""
    shown = deployed.lab.exec(region, "maas-region", "local_config_get", "--plain", "--broadcast-address").stdout
    assert shown.strip() == str(deployed.lab.host(region).address)


def test_the_balancer_passes_what_racks_need(deployed: Deployment, facts: VersionFacts) -> None:
    """A rack's agent uses the balanced address alone, for Temporal and the internal API too (maas-facts §4.8)."""
    address = str(deployed.lab.host("lb1").address)
    ports = [port for port, _ in facts.balanced_ports if port not in (80, 443)]
    assert ports
    for port in ports:
        before = passed(deployed, port)
        program = f"import socket; socket.create_connection(({address!r}, {port}), 5).recv(1)"
        deployed.lab.exec("rack1", "python3", "-c", program)
        assert passed(deployed, port) == (before[0] + 1, before[1]), port


def test_a_region_is_the_same_on_every_route(deployed: Deployment, facts: VersionFacts) -> None:
    """HAProxy asks it for one of them alone: its word, and its silence, count for all."""
    lab, routes = deployed.lab, len(facts.balanced_ports)

    def on_each() -> list[str]:
        return [row["status"] for row in servers(lab, "lb1") if row["svname"] == "region1"]

    assert on_each() == ["UP"] * routes
    lab.exec("region1", "systemd-run", "--quiet", "--unit=held", "flock", LOCK, "sleep", "infinity")
    becomes(on_each, ["DRAIN (agent)"] * routes, "drained on each route")
    lab.exec("region1", "systemctl", "stop", "held")
    becomes(on_each, ["UP"] * routes, "back on each route")
    lab.exec("region1", "systemctl", "stop", "maas-regiond")
    becomes(on_each, ["DOWN"] * routes, "down on each route")
    lab.exec("region1", "systemctl", "start", "maas-regiond")
    becomes(on_each, ["UP"] * routes, "up on each route")
    eventually(lambda: maas_ha(deployed, "status", STACK).returncode == 0, "racks are back at it", 120)


def test_up_again_changes_nothing(deployed: Deployment, seen: Status) -> None:
    before = unit_starts(deployed.lab)
    output = deployed.up()
    assert "unchanged" in output
    assert " to update" not in output
    assert unit_starts(deployed.lab) == before


def test_a_failure_is_told_from_the_journal(deployed: Deployment, version: MaasVersion) -> None:
    """These versions keep no log files (maas-facts §10)."""
    assert region_log("deb", version) == rack_log("deb", version) == ""
    assert deployed.lab.exec("region2", "ls", "/var/log/maas/regiond.log", check=False).returncode != 0
    text = "[Service]\\nExecStartPre=/bin/sh -c 'echo no room left on device >&2; exit 1'\\n"
    script = f'mkdir -p {BROKEN.rpartition("/")[0]} && printf "{text}" >{BROKEN} && systemctl daemon-reload'
    deployed.lab.exec("region2", "sh", "-c", script)
    deployed.edit(workers("region2", 3))
    try:
        output = deployed.up_fails()
    finally:
        # systemd gives a unit up after five failed starts in ten seconds, and the rollback's were among them.
        again = "systemctl daemon-reload; systemctl reset-failed maas-regiond"
        deployed.lab.exec("region2", "sh", "-c", f"rm {BROKEN}; {again}")
    assert "last lines of maas-regiond.service" in output
    assert "no room left on device" in output
    deployed.up()  # the cause is gone: it goes on where it stopped
    # No rack was connected to a region that didn't run, so the update waited for none.
    eventually(lambda: maas_ha(deployed, "status", STACK).returncode == 0, "racks are back at it", 120)
    assert status(deployed).problems == []


def test_destroy(deployed: Deployment) -> None:
    deployed.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    for host in ("region1", "region2", "rack1", "rack2"):
        shown = deployed.lab.exec(host, "sh", "-c", "dpkg -l | grep maas || true")
        assert shown.stdout == "", host
