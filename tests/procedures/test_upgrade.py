"""MAAS 3.4 becomes 3.5, then 3.6, by its packages, each in one update: racks, then regions, one migration."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from ops.status import Status
from tests.engine.deployment import STACK, Deployment
from tests.engine.hosts import sql, unit_starts
from tests.engine.test_1_up import maas_ha
from tests.engine.test_4_kills import kill_agent
from tests.procedures.rolling import add_clients, assert_whole, load, moments
from tests.procedures.scenario import scenario
from tests.procedures.upgrade import (
    CONTROLLERS,
    Update,
    dumps,
    entered,
    lost_all_regions,
    offer,
    restored,
    versions,
    wants,
)

pytestmark = pytest.mark.lab
log = logging.getLogger(__name__)

REGIOND, RACKD = "maas-regiond.service", "maas-rackd.service"
BROKEN = "/run/systemd/system/maas-regiond.service.d/broken.conf"
RACKS = ("rack1", "rack2")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("upgrade")
    with scenario(folder, "upgrade") as made:
        made.up()
        add_clients(made.lab)
        offer(made.lab, "3.5", folder)
        yield made


@pytest.fixture
def balanced(deployed: Deployment) -> list[str]:
    return [str(deployed.lab.host("lb1").address)]


def told(deployed: Deployment) -> Status:
    return Status.model_validate_json(maas_ha(deployed, "status", STACK, "--json").stdout)


def test_1_under_load(deployed: Deployment, balanced: list[str]) -> None:
    lab = deployed.lab
    since = time.monotonic()
    deployed.edit(lambda cluster: wants(cluster, "3.5"))
    with load(deployed, balanced, may_fail=True) as seen:
        update = Update.run(deployed)
    assert update.code == 0, update.output
    assert versions(lab) == dict.fromkeys(CONTROLLERS, "3.5")
    assert_whole(deployed, "lb1")
    shown = told(deployed)
    listed = [*(region.version for region in shown.regions), *(rack.version for rack in shown.racks)]
    assert [version.partition("-")[0] for version in listed] == ["3.5.10"] * 4

    racks = [entered(lab, rack, RACKD) for rack in RACKS]
    (stopped1, started1), (stopped2, started2) = (moments(lab, region) for region in ("region1", "region2"))
    order = [int(since * 1e6), *racks, stopped2, stopped1, started1, started2]
    assert order == sorted(order), "racks one after the other, region2 is held, region1 is back, then region2"

    assert update.hosts_saying("maas-region dbupgrade") == ["region1"]
    assert sql(lab, "select count(*) from django_migrations where name = '0008_images'") == ["1"]
    logged = lab.exec("db1", "sh", "-c", "cat /var/log/postgresql/*.log").stdout
    assert "maasserver_routable_pairs" not in logged, "a regiond ran while the schema was migrated"

    for rack in RACKS:
        [moment] = lost_all_regions(lab, rack)
        assert stopped1 < moment < started1, "a rack was without any region outside of the hold"
    away = [update.between("region1: download", "region2: compare"), update.between("db1: prepare", "rack1: health")]
    outside = [one for one in seen.moments if not any(one[1] > begin and one[0] < end for begin, end in away)]
    assert outside == [], seen.failed
    log.info("without MAAS: %.0f s of %.0f s", *((end - begin) for begin, end in (away[0], update.whole)))


def test_2_the_dump_can_be_restored(deployed: Deployment) -> None:
    [dump] = dumps(deployed.lab)
    assert dump.name.startswith("maasdb-3.4.10-before-3.5-")
    assert (dump.mode, dump.owner) == ("600", "root")
    with restored(deployed.lab, dump) as ask:
        assert ask("select username from auth_user where is_superuser") == ["admin"]
        assert ask("select count(*) from maasserver_node where node_type in (2, 3)") == ["4"]
        assert ask("select count(*) from django_migrations where name = '0008_images'") == ["0"]


def test_3_again_nothing(deployed: Deployment) -> None:
    before = unit_starts(deployed.lab)
    deployed.up("--expect-no-changes")
    assert unit_starts(deployed.lab) == before
    assert len(dumps(deployed.lab)) == 1


def test_4_killed_in_the_migration_then_a_region_that_fails(
    deployed: Deployment, balanced: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both times the next update goes on where it stopped; 3.5 has more services that work on the database."""
    lab = deployed.lab
    offer(lab, "3.6", tmp_path_factory.mktemp("offer"))
    deployed.edit(lambda cluster: wants(cluster, "3.6"))
    killed = Update.run(deployed, on="region1: maas-region dbupgrade", then=lambda: kill_agent(lab, "region1"))
    assert killed.code != 0
    assert versions(lab) == {**dict.fromkeys(CONTROLLERS, "3.6"), "region2": "3.5"}
    for region in ("region1", "region2"):
        assert lab.exec(region, "systemctl", "start", REGIOND, check=False).returncode == 0
        assert lab.exec(region, "systemctl", "is-active", REGIOND, check=False).stdout == "inactive\n", "it is held"

    script = f"mkdir -p {BROKEN.rpartition('/')[0]}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{BROKEN}"
    lab.exec("region2", "sh", "-c", f"{script}; systemctl daemon-reload")
    failed = Update.run(deployed)
    assert failed.code != 0
    assert "region2: start maas-regiond.service" in failed.output
    assert versions(lab) == dict.fromkeys(CONTROLLERS, "3.6")
    with load(deployed, balanced):  # region1 serves everybody
        before = moments(lab, "region1")
        lab.exec("region2", "sh", "-c", f"rm {BROKEN}; systemctl daemon-reload; systemctl reset-failed {REGIOND}")
        assert Update.run(deployed).code == 0
    assert moments(lab, "region1") == before
    assert_whole(deployed, "lb1")
    assert len(dumps(lab)) == 2


def test_5_an_older_version_is_refused_before_anything_is_touched(deployed: Deployment) -> None:
    lab = deployed.lab
    before, installed = unit_starts(lab), versions(lab)
    conf = {host: lab.exec(host, "sh", "-c", f"sha256sum {path}").stdout for host, path in CONFIGURED.items()}
    deployed.edit(lambda cluster: wants(cluster, "3.5"))
    output = deployed.up_fails()
    for host in ("region1", "region2"):
        assert f"{host}: prepare: MAAS is 3.6.5 on this host, and maas.version in the stack file is 3.5" in output
    assert 'Write `version: "3.6"` under maas' in output
    assert (unit_starts(lab), versions(lab)) == (before, installed)
    assert {host: lab.exec(host, "sh", "-c", f"sha256sum {path}").stdout for host, path in CONFIGURED.items()} == conf
    deployed.edit(lambda cluster: wants(cluster, "3.6"))
    deployed.up()
    assert unit_starts(lab) == before


CONFIGURED = {
    "db1": "/etc/postgresql/15/main/pg_hba.conf /etc/postgresql/15/main/conf.d/*",
    "lb1": "/etc/haproxy/haproxy.cfg",
    "region1": "/etc/maas/regiond.conf",
    "rack1": "/etc/maas/rackd.conf",
}
