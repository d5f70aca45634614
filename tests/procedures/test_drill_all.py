"""Every drill on a cluster without a single point of failure: three regions, two balancers, three database hosts, two
racks, and a machine whose BMC they ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from ops.drill_load import PREFIX
from ops.drill_plan import ALL
from ops.drill_report import Report
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.test_1_up import maas_ha
from tests.lab.standin.daemons.client import Client
from tests.procedures.chassis import Chassis
from tests.procedures.database_cluster import MEMBERS, leader, sql
from tests.procedures.scenario import scenario

pytestmark = [pytest.mark.lab, pytest.mark.all_drills]

REGIONS, RACKS, BALANCERS = ("region1", "region2", "region3"), ("rack1", "rack2"), ("lb1", "lb2")
HOSTS = {
    **{name: 11 + number for number, name in enumerate(MEMBERS)},
    **{name: 21 + number for number, name in enumerate(REGIONS)},
    **{name: 31 + number for number, name in enumerate(RACKS)},
    **{name: 41 + number for number, name in enumerate(BALANCERS)},
    "bmc1": 51,
}
BMC = 61


def shape(cluster: Cluster) -> None:
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    network = hosts["db1"]["address"].rpartition(".")[0]
    del hosts["bmc1"]
    cluster["database"] = {"cluster": list(MEMBERS), "version": 15, "synchronous": True}
    cluster["regions"] = {name: {"workers": 1} for name in REGIONS}
    cluster["racks"] = list(RACKS)
    cluster["load_balancer"] = {"hosts": list(BALANCERS), "virtual_address": f"{network}.40/24"}
    cluster["dhcp"] = [
        {
            "subnet": f"{network}.0/24",
            "range": {"start": f"{network}.100", "end": f"{network}.199"},
            "primary": "rack1",
            "secondary": "rack2",
        }
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("drills"), "proc-drills", HOSTS, change=shape) as deployment:
        deployment.up()
        yield deployment


@pytest.fixture(scope="module")
def machine(made: Deployment) -> None:
    """One of MAAS's, behind a real BMC."""
    chassis = Chassis(made.lab, "bmc1", str(made.network[BMC]), 24)
    chassis.start()
    outputs = made.outputs()
    answer = Client(str(outputs["api_url"]), str(outputs["api_key"])).post(
        "machines/",
        hostname="node1",
        architecture="amd64/generic",
        mac_addresses="52:54:00:12:34:56",
        power_type="ipmi",
        power_parameters_power_address=chassis.address,
        power_parameters_power_user=chassis.user,
        power_parameters_power_pass=chassis.password,
    )
    assert answer.status == 200, answer.text


@pytest.mark.usefixtures("machine")
def test_all(made: Deployment) -> None:
    """Each within its limits, each undone before the next; nothing of them is left."""
    done = maas_ha(made, "drill", STACK, "all", "--break-live-stack", STACK, "--json", "--report", "drills")
    assert done.stdout, done.stderr
    report = Report.model_validate_json(done.stdout)
    assert (done.returncode, report.exceeded) == (0, []), done.stderr
    assert [(drill.kind, drill.fault) for drill in report.drills] == list(ALL)
    assert report.skipped == []
    for drill in report.drills:
        assert drill.acknowledged > 50
        assert drill.lost == []
        assert drill.dhcp
        assert (drill.dhcp.lost, drill.dhcp.doubled) == ([], [])
        assert drill.dhcp.tried >= drill.dhcp.clients
        assert {seen.rack: set(seen.regions) for seen in drill.racks} == {rack: set(REGIONS) for rack in RACKS}
    by_kind = {drill.kind: drill for drill in report.drills}
    assert by_kind["rack"].power
    assert by_kind["rack"].power.tried > 5
    minority = by_kind["partition"].minority
    assert minority
    assert all(tried > 2 for tried in minority.tried.values())
    assert set(minority.accepted.values()) == {0}
    assert {path.name for path in (made.folder / "drills").iterdir()} == {"drill.json", "drill.png", "drill.html"}
    assert Report.model_validate_json((made.folder / "drills/drill.json").read_text()) == report
    assert not [name for name in sql(made.lab, leader(made.lab), "SELECT name FROM maasserver_tag") if PREFIX in name]
    verified = maas_ha(made, "verify", STACK)
    assert verified.returncode == 0, verified.stdout
