"""regiond: its start, its workers, its connections (maas-facts §2, §3, §7, §8, §0a)."""

import os
from pathlib import Path

import pytest

from lab.processes import children
from lab.standin.maas_standin.region import IMPROPERLY_CONFIGURED

from .client import Client
from .cluster import Cluster
from .machine import kill, stop
from .polling import becomes, eventually

pytestmark = pytest.mark.lab


def is_worker(pid: int) -> bool:
    """False of another child, such as `ip` or `systemctl`, which come and go, and of one that has ended."""
    try:
        return b"maas_standin.region_worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


def connections(cluster: Cluster) -> list[str]:
    """application_name of each connection that a region holds."""
    rows = cluster.sql(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'maas-regiond-%'"
    )
    return [str(name) for (name,) in rows]


def test_an_unreadable_configuration_keeps_the_master_alive(cluster: Cluster) -> None:
    """§0a row 2: retries for ever, no workers, one line that doesn't say why; 502 outside."""
    region = cluster.region("rg1")
    os.chown(region.paths.regiond_conf, 65534, 65534)
    region.paths.regiond_conf.chmod(0o600)
    process = region.regiond(privileged=False)
    region.logged("regiond", IMPROPERLY_CONFIGURED, times=3)
    assert IMPROPERLY_CONFIGURED == "settings.DATABASES is improperly configured. Please supply the ENGINE value."
    assert process.poll() is None
    assert children(process.pid) == []
    becomes(lambda: Client(region.url).rpc().status, 502, "502 without workers")
    os.chown(region.paths.regiond_conf, 0, 0)
    cluster.wait_listed(region)
    assert stop(process) == 0


def test_a_wrong_password_looks_the_same(cluster: Cluster) -> None:
    """§0a row 2: alive, no workers, until the password is right."""
    region = cluster.region("rg1")
    region.region(cluster.postgres, cluster.database, database_pass="wrong")
    process = region.regiond()
    region.logged("regiond", "password authentication failed", times=2)
    assert process.poll() is None
    assert children(process.pid) == []
    region.region(cluster.postgres, cluster.database)
    cluster.wait_listed(region)


def test_the_eleventh_worker_gets_no_port(cluster: Cluster) -> None:
    """§0a row 2: ten event loops on 5250 to 5259; the eleventh logs it and stays. Row 7: 41 connections."""
    region = cluster.region("rg1", workers=11)
    process = region.regiond()
    region.logged("regiond", "RegionServer endpoint failed to listen.")
    cluster.wait_listed(region, workers=10)
    ports = sorted(int(str(port)) for ends in Client(region.url).loops().values() for _, port in ends)
    assert ports == list(range(5250, 5260))
    assert len([*filter(is_worker, children(process.pid))]) == 11
    becomes(lambda: len(connections(cluster)), 41, "41 connections")


def test_quoted_workers_mean_four(cluster: Cluster) -> None:
    """§2, §0a row 2: `num_workers: '8'` is four, without a word. Row 7: 21 connections."""
    region = cluster.region("rg1")
    region.region(cluster.postgres, cluster.database, num_workers="8")
    region.regiond()
    cluster.wait_listed(region, workers=4)
    becomes(lambda: len(connections(cluster)), 21, "21 connections")


def test_idle_and_full_connections(cluster: Cluster) -> None:
    """§7, §0a row 7: 16 connections idle with two workers, 30 when told to hold the whole budget."""
    region = cluster.region("rg1")
    process = region.regiond()
    cluster.wait_listed(region)
    becomes(lambda: len(connections(cluster)), 16, "16 connections")
    assert stop(process) == 0
    becomes(lambda: connections(cluster), [], "no connections")
    region.configure(hold="full")
    region.regiond()
    own = f"maas-regiond-{region.paths.maas_id.read_text()}"
    becomes(lambda: connections(cluster), [own] * 30, "30 connections under the region's own id")


def test_the_master_has_no_id_at_first(cluster: Cluster) -> None:
    """§0a row 7: at the very first start the master's connections are named NO_ID."""
    region = cluster.started_region("rg1")
    becomes(lambda: connections(cluster).count("maas-regiond-NO_ID"), 10, "the master's ten connections")
    assert set(connections(cluster)) == {"maas-regiond-NO_ID", f"maas-regiond-{region.paths.maas_id.read_text()}"}


def test_the_url_of_the_last_start_wins(cluster: Cluster) -> None:
    """§2, §0a row 2: and it can't be read through the API."""
    first = cluster.started_region("rg1")
    second = cluster.started_region("rg2")
    url = "SELECT value #>> '{}' FROM maasserver_config WHERE name = 'maas_url'"
    assert cluster.sql(url) == [(second.url,)]
    answer = cluster.admin(first).get("maas/?op=get_config&name=maas_url")
    assert answer.status == 400
    assert "maas_url is not a valid config setting" in answer.json["name"][0]


def test_a_row_before_the_first_start_is_the_secret(cluster: Cluster) -> None:
    """§3, §0a row 3: used as it is, over a different file; 0640 and no newline."""
    region = cluster.region("rg1")
    secret = "0123456789abcdef0123456789abcdef"
    cluster.sql(
        "INSERT INTO maasserver_secret (path, value, created, updated)"
        """ VALUES ('global/rpc-shared', '{"secret": "0123456789abcdef0123456789abcdef"}', now(), now())"""
    )
    region.paths.secret.write_text("f" * 32)
    region.regiond()
    cluster.wait_listed(region)
    assert region.paths.secret.read_bytes() == secret.encode()
    assert region.paths.secret.stat().st_mode & 0o777 == 0o640


def test_a_file_before_the_first_start_is_ignored(cluster: Cluster) -> None:
    """§3: from 3.3 on the database alone decides."""
    region = cluster.region("rg1")
    region.paths.secret.write_text("f" * 32)
    region.regiond()
    cluster.wait_listed(region)
    assert region.paths.secret.read_text() != "f" * 32
    assert len(bytes.fromhex(region.paths.secret.read_text())) == 16


def test_two_first_starts_at_once(cluster: Cluster) -> None:
    """§0a row 3: same secret, same uuid, different ids."""
    regions = [cluster.region(name) for name in ("rg1", "rg2")]
    for region in regions:
        region.regiond()
    for region in regions:
        cluster.wait_listed(region)
    assert len({r.paths.secret.read_text() for r in regions}) == 1
    assert len({r.paths.maas_uuid.read_text() for r in regions}) == 1
    assert len({r.paths.maas_id.read_text() for r in regions}) == 2


def test_rpc_lists_all_regions_but_no_shared_address(cluster: Cluster) -> None:
    """§4.2, §4.3: every worker with its own addresses; one that two regions have is left out."""
    from .network import ip

    first, second = cluster.region("rg1"), cluster.region("rg2")
    shared = cluster.network.address(250)
    for region in (first, second):
        ip("-n", region.namespace, "addr", "add", f"{shared}/32", "dev", "eth0")
        region.regiond()
    for region in (first, second):
        cluster.wait_listed(region)

    def addresses() -> set[str]:
        return {str(address) for ends in Client(first.url).loops().values() for address, _ in ends}

    becomes(addresses, {first.address, second.address}, "own addresses only")
    assert len(Client(second.url).loops()) == 4


def test_http_says_what_is_down(cluster: Cluster) -> None:
    """§0a row 8: 502 without regiond, 500 without the database, 200 again soon after it is back."""
    region = cluster.region("rg1")
    anonymous = Client(region.url)
    becomes(lambda: anonymous.rpc().status, 502, "502 before the start")
    process = region.regiond()
    cluster.wait_listed(region)
    cluster.postgres.stop()
    try:
        becomes(lambda: anonymous.rpc().status, 500, "500 without the database")
        assert anonymous.get("version/").status == 500
    finally:
        cluster.postgres.start()
    becomes(lambda: anonymous.rpc().status, 200, "200 with the database")
    cluster.wait_listed(region)
    becomes(lambda: len(connections(cluster)), 16, "the same connections as before")
    assert stop(process) == 0
    assert anonymous.rpc().status == 502


def test_a_clean_stop_is_seen_at_once(cluster: Cluster) -> None:
    """§0a row 4.6: no process rows are left when the master has exited."""
    region = cluster.region("rg1")
    process = region.regiond()
    cluster.wait_listed(region)
    assert stop(process) == 0
    assert cluster.sql("SELECT count(*) FROM maasserver_regioncontrollerprocess") == [(0,)]


def test_a_killed_region_stays_listed_until_it_expires(cluster: Cluster) -> None:
    """§4.6, §0a row 4.6: rackd stays `running`, then is degraded, 50%."""
    first, second = cluster.region("rg1"), cluster.region("rg2")
    for region in (first, second):
        region.configure(process_expire_s=8.0)
        process = region.regiond()
        cluster.wait_listed(region)
    admin = cluster.admin(first)
    rack = cluster.started_rack("rk1", first, second)
    rack.logged("rackd", "Fully connected to all 4 event-loops on all 2 region controllers (rg1, rg2).")
    kill(process)
    assert len(Client(first.url).loops()) == 4
    assert admin.service("rk1") == ("running", "")
    becomes(
        lambda: admin.service("rk1"), ("degraded", "50% connected to region controllers."), "half of the regions left"
    )
    assert len(Client(first.url).loops()) == 2


def test_regions_match_by_hostname_or_mac(cluster: Cluster) -> None:
    """§4.5: a region that comes back is the same node; one that matches two nodes can't start."""
    region = cluster.region("rg1")
    process = region.regiond()
    cluster.wait_listed(region)
    system_id = region.paths.maas_id.read_text()
    assert stop(process) == 0
    region.paths.maas_id.unlink()
    cluster.sql(
        "INSERT INTO maasserver_node (system_id, hostname, domain, node_type) VALUES ('zzzzzz', 'other', 'maas', 2)"
    )
    process = region.regiond()
    cluster.wait_listed(region)
    assert region.paths.maas_id.read_text() == system_id
    assert stop(process) == 0
    cluster.sql("UPDATE maasserver_interface SET node_id = (SELECT id FROM maasserver_node WHERE system_id = 'zzzzzz')")
    process = region.regiond()
    region.logged("regiond", "returned more than one Node")
    assert process.poll() is None


def test_regiond_starts_its_companions(cluster: Cluster) -> None:
    """§10, §0a row 10: and enables nothing."""
    region = cluster.started_region("rg1")
    expected = [f"start {unit}" for unit in ("bind9", "chrony", "maas-syslog", "maas-http", "maas-proxy")]
    becomes(region.systemctl_calls, expected, "the companions are started")


def test_newer_regiond_starts_temporal(cluster: Cluster) -> None:
    """§10: from 3.5 on; it logs to the journal then."""
    region = cluster.region("rg1")
    region.claim((3, 5))
    region.regiond()
    cluster.wait_listed(region)
    eventually(lambda: "start maas-temporal-worker" in region.systemctl_calls(), "temporal is started")
    assert not (region.paths.logs / "regiond.log").exists()
    assert Client(region.url).get("version/").json["version"] == "3.5.1"
