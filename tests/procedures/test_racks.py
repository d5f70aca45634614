"""Racks come, are listed, go and stay away; a dead one is forgotten on purpose; a new secret reaches them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from agent.maas_api import MaasApi
from lab.cluster import Lab
from ops.racks import Racks
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import packages, sql, unit_starts
from tests.engine.test_1_up import maas_ha, workers
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "rack1": 31, "rack2": 32, "rack3": 33, "lb1": 41}
DEATH_NOTICED = 300.0
"""Seconds until MAAS believes that a host is dead; 90–150 s by its own rule (maas-facts §0a row 4.6)."""
SECRET = "/var/lib/maas/secret"
IDENTITY = ("/etc/maas", "/var/lib/maas", "/usr/sbin/rackd", "/etc/systemd/system/maas-rackd.service.d")


def racks(*names: str, pair: tuple[str, str] | None) -> Callable[[Cluster], None]:
    """These racks on hosts of their own, and the two of `pair` for DHCP."""

    def change(cluster: Cluster) -> None:
        hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
        network = hosts["db1"]["address"].rpartition(".")[0]
        for name in ("rack1", "rack2", "rack3"):
            hosts.pop(name, None)
        hosts |= {name: {"address": f"{network}.{HOSTS[name]}"} for name in names}
        dynamic = {"start": f"{network}.100", "end": f"{network}.199"}
        cluster["racks"] = list(names)
        cluster["regions"] = {"region1": {"workers": 2}}
        cluster["dhcp"] = (
            [{"subnet": f"{network}.0/24", "range": dynamic, "primary": pair[0], "secondary": pair[1]}] if pair else []
        )

    return change


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    two = racks("rack1", "rack2", pair=("rack1", "rack2"))
    with scenario(tmp_path_factory.mktemp("racks"), "rack", HOSTS, change=two) as made:
        made.up()
        yield made


@contextmanager
def nobody_else_notices(deployment: Deployment, *but: str) -> Iterator[None]:
    """No unit on a host other than `but` is started, stopped or restarted meanwhile."""
    before = unit_starts(deployment.lab)
    yield
    after = unit_starts(deployment.lab)
    others = {unit for unit in before.keys() | after.keys() if unit.split(" ")[0] not in but}
    assert {unit for unit in others if before.get(unit) != after.get(unit)} == set()


def listed(deployment: Deployment) -> Racks:
    """What `maas-ha racks` says, well or not."""
    done = maas_ha(deployment, "racks", STACK, "--json")
    assert done.stdout, done.stderr
    found = Racks.model_validate_json(done.stdout)
    assert done.returncode == (1 if found.problems else 0)
    return found


def api(deployment: Deployment) -> MaasApi:
    outputs = deployment.outputs()
    return MaasApi([str(outputs["api_url"])], str(outputs["api_key"]), str(outputs["ca_certificate"]))


def in_maas(deployment: Deployment) -> list[str]:
    return sorted(rack.hostname for rack in api(deployment).racks())


def served(deployment: Deployment) -> dict[str, tuple[str, bool]]:
    """Rack → its role on the VLAN, and whether DHCP is on there."""
    return {rack.name: (vlan.role, vlan.dhcp_on) for rack in listed(deployment).racks for vlan in rack.vlans}


def steps(output: str) -> set[str]:
    """What the engine itself says that it did."""
    return set(re.findall(r"^ +\S+ \d+ (\w+)$", output, re.MULTILINE))


def remains(lab: Lab, host: str) -> str:
    """What of a rack is on a host."""
    return lab.exec(host, "sh", "-c", 'ls -d "$@" 2>/dev/null || true', "sh", *IDENTITY).stdout


def test_a_rack_more_touches_nobody_else(deployed: Deployment) -> None:
    deployed.edit(racks("rack1", "rack2", "rack3", pair=("rack1", "rack2")))
    with nobody_else_notices(deployed, "rack3"):
        output = deployed.up()
    assert steps(output) == {"created"}
    assert in_maas(deployed) == ["rack1", "rack2", "rack3"]
    secret = deployed.secrets()["shared_secret"]
    stat = deployed.lab.exec("rack3", "stat", "-c", "%U:%G %a", SECRET, "/etc/maas/rackd.conf").stdout.split("\n")
    assert stat[:2] == ["maas:maas 640", "root:maas 640"]
    assert deployed.lab.exec("rack3", "cat", SECRET).stdout == secret


def test_racks_are_listed(deployed: Deployment) -> None:
    seen = listed(deployed)
    assert seen.problems == []
    assert [rack.name for rack in seen.racks] == ["rack1", "rack2", "rack3"]
    assert len(seen.event_loops) == 2
    for rack in seen.racks:
        assert rack.event_loops == seen.event_loops
        assert rack.services["rackd"] == "running"
        assert rack.version.startswith("3.4")
    assert served(deployed) == {"rack1": ("primary", True), "rack2": ("secondary", True)}
    printed = maas_ha(deployed, "racks", STACK).stdout.splitlines()
    assert max(map(len, printed)) <= 100
    assert any("region1 2/2" in line for line in printed)


def test_a_new_secret_reaches_every_rack(deployed: Deployment) -> None:
    before = deployed.secrets()["shared_secret"]
    sql(
        deployed.lab,
        "update maasserver_secret set value = jsonb_build_object('secret', md5(random()::text)) "
        "where path = 'global/rpc-shared'",
    )
    deployed.edit(workers("region1", 1))  # restarts regiond, which then takes the new secret
    deployed.up()
    now = deployed.secrets()["shared_secret"]
    assert now != before
    for rack in ("rack1", "rack2", "rack3"):
        assert deployed.lab.exec(rack, "cat", SECRET).stdout == now
    assert listed(deployed).problems == []


def test_a_rack_less(deployed: Deployment) -> None:
    deployed.edit(racks("rack1", "rack3", pair=("rack1", "rack3")))
    deployed.edit(workers("region1", 1))
    deployed.up()
    assert in_maas(deployed) == ["rack1", "rack3"]
    assert served(deployed) == {"rack1": ("primary", True), "rack3": ("secondary", True)}
    assert remains(deployed.lab, "rack2") == ""
    assert "maas-rack-controller" not in packages(deployed.lab, "rack2")


def test_a_reboot_does_not_bring_it_back(deployed: Deployment) -> None:
    deployed.lab.reboot("rack2")
    assert remains(deployed.lab, "rack2") == ""
    units = deployed.lab.exec("rack2", "systemctl", "list-units", "--all", "--plain", "maas-*").stdout
    assert "maas-rackd" not in units
    assert in_maas(deployed) == ["rack1", "rack3"]


def test_a_dead_rack_is_forgotten_on_purpose(deployed: Deployment) -> None:
    lives = maas_ha(deployed, "forget", STACK, "rack3", "--delete-from-maas")
    assert lives.returncode == 1
    assert "rack3 still answers over SSH" in lives.stderr
    deployed.lab.exec("rack3", "systemctl", "stop", "ssh.socket", "ssh.service")
    serves = maas_ha(deployed, "forget", STACK, "rack3", "--delete-from-maas")
    assert serves.returncode == 1
    assert "MAAS still sees rack3 connected (MAAS calls its rackd running): nothing was done" in serves.stderr
    assert in_maas(deployed) == ["rack1", "rack3"]
    assert any(problem.startswith("rack3: its host was not asked") for problem in listed(deployed).problems)

    deployed.lab.poweroff("rack3")
    deadline = time.monotonic() + DEATH_NOTICED
    while (done := maas_ha(deployed, "forget", STACK, "rack3", "--delete-from-maas")).returncode != 0:
        assert "still sees rack3 connected" in done.stderr
        assert time.monotonic() < deadline, done.stderr
        time.sleep(2)
    assert "loses its secondary rack" in done.stdout
    assert "MAAS has forgotten the rack rack3" in done.stdout
    assert in_maas(deployed) == ["rack1"]
    assert served(deployed) == {"rack1": ("primary", True)}


def test_the_cluster_goes_on_without_it(deployed: Deployment) -> None:
    """The rack that left comes back in the dead one's place, under its own name."""
    deployed.edit(racks("rack1", "rack2", pair=("rack1", "rack2")))
    deployed.edit(workers("region1", 1))
    deployed.up()
    assert in_maas(deployed) == ["rack1", "rack2"]
    assert served(deployed) == {"rack1": ("primary", True), "rack2": ("secondary", True)}
    assert listed(deployed).problems == []
