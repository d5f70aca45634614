"""rackd: finding regions, the secret, losing regions, deletion (maas-facts §3, §4, §0a)."""

import pytest

from lab.standin.maas_standin.paths import read_text

from .client import Client
from .cluster import Cluster
from .machine import kill, stop
from .polling import becomes, eventually

pytestmark = pytest.mark.lab


def test_a_rack_registers_and_is_running(cluster: Cluster) -> None:
    """§4, §5: connected to all processes means `running`; the long version here, the short one there (§0a row 5)."""
    region = cluster.started_region("rg1")
    rack = cluster.started_rack("rk1", region)
    shown = cluster.admin(region).racks()["rk1"]
    assert shown["system_id"] == rack.paths.maas_id.read_text()
    assert read_text(rack.paths.maas_uuid) == read_text(region.paths.maas_uuid)
    assert shown["version"] == "3.4.10-14366-g.518bf2c80"
    rack.logged("rackd", "Fully connected to all 2 event-loops on all 1 region controllers (rg1).")
    region.logged("regiond", f"Rack controller authenticated from '::ffff:{rack.address}:", times=2)
    assert Client(region.url).get("version/").json["version"] == "3.4.10"
    eventually(rack.paths.rpc_state.exists, "the rack has noted its regions")  # after it logs them
    assert rack.paths.rpc_state.read_text() == f"http://{region.address}:5240/MAAS\n"


def test_a_newer_rack_tells_its_own_version(cluster: Cluster) -> None:
    """§9: while an upgrade rolls, racks come first; no version is refused."""
    region = cluster.started_region("rg1")
    cluster.machine("rk1").claim((3, 5))
    cluster.started_rack("rk1", region)
    assert cluster.admin(region).racks()["rk1"]["version"] == "3.5.1-1-g.abcdef012"
    shown = cluster.admin(region).get("regioncontrollers/").json
    assert [one["version"] for one in shown] == ["3.4.10-14366-g.518bf2c80"]


def test_services_are_unknown_at_first(cluster: Cluster) -> None:
    """§0a row 5: for a while after registration all but rackd are `unknown`; dns_rack is among them up to 3.6."""
    region = cluster.started_region("rg1")
    cluster.machine("rk1").configure(services_unknown_s=3.0)
    cluster.started_rack("rk1", region)
    services = {s["name"]: s["status"] for s in cluster.admin(region).racks()["rk1"]["service_set"]}
    assert services.pop("rackd") == "running"
    assert set(services) == {"tftp", "http", "dhcpd", "dhcpd6", "ntp_rack", "proxy_rack", "syslog_rack", "dns_rack"}
    assert set(services.values()) == {"unknown"}
    admin = cluster.admin(region)
    becomes(lambda: admin.service("rk1", "tftp"), ("running", ""), "tftp is running")
    assert admin.service("rk1", "dhcpd") == ("off", "")


def test_a_missing_secret_is_waited_for_in_silence(cluster: Cluster) -> None:
    """§0a row 3: no log, no registration; the file written in time lets it register."""
    region = cluster.started_region("rg1")
    rack = cluster.machine("rk1")
    rack.rack(region.url, secret=None)
    process = rack.rackd()
    eventually(lambda: (rack.paths.logs / "rackd.log").exists(), "rackd has started")
    assert process.poll() is None
    assert rack.log("rackd") == ""
    assert cluster.admin(region).racks() == {}
    rack.paths.secret.write_text(region.paths.secret.read_text())
    admin = cluster.admin(region)
    becomes(lambda: admin.service("rk1"), ("running", ""), "rackd is running")


def test_a_secret_that_comes_too_late_changes_nothing(cluster: Cluster) -> None:
    """§0a row 3: after the wait rackd runs without services for ever; a restart helps."""
    region = cluster.started_region("rg1")
    rack = cluster.machine("rk1")
    rack.configure(secret_wait_s=0.5)
    rack.rack(region.url, secret=None)
    process = rack.rackd()
    # A second rack that starts now and waits longer shows when the first has given up.
    other = cluster.machine("rk2")
    other.configure(secret_wait_s=6.0)
    other.rack(region.url, secret=None)
    other.rackd()
    for log in (rack, other):
        eventually(lambda log=log: (log.paths.logs / "rackd.log").exists(), "rackd has started")  # type: ignore[misc]
    cluster.started_rack("rk3", region)
    secret = region.paths.secret.read_text()
    rack.paths.secret.write_text(secret)
    assert process.poll() is None
    other.paths.secret.write_text(secret)
    admin = cluster.admin(region)
    becomes(lambda: admin.service("rk2") or admin.service("rk3"), ("running", ""), "a patient rack is running")
    assert "rk1" not in admin.racks()
    assert rack.log("rackd") == ""
    assert stop(process) == 0
    rack.rackd()
    becomes(lambda: admin.service("rk1"), ("running", ""), "running after a restart")


def test_a_wrong_secret_is_refused_by_both_sides(cluster: Cluster) -> None:
    """§3, §0a row 3: MAAS's lines, a retry every second, the process alive; the API shows nothing."""
    region = cluster.started_region("rg1", workers=1)
    rack = cluster.machine("rk1")
    rack.rack(region.url, secret="0" * 32)
    process = rack.rackd()
    loop = next(iter(Client(region.url).loops()))
    rack.logged("rackd", f"Event-loop '{loop}' FAILED authentication; dropping connection.", times=3)
    region.logged("regiond", f"Rack controller FAILED authentication from '::ffff:{rack.address}:", times=3)
    assert process.poll() is None
    assert cluster.admin(region).racks() == {}


def test_a_secret_that_is_not_hexadecimal_breaks_rackd(cluster: Cluster) -> None:
    """§1.3: it ends with an error."""
    region = cluster.started_region("rg1", workers=1)
    rack = cluster.machine("rk1")
    rack.rack(region.url, secret="not hexadecimal")
    assert rack.rackd().wait(timeout=30) != 0


def test_a_leftover_socket_stops_the_start(cluster: Cluster) -> None:
    """§0a row 10: rackd doesn't start over a dhcpd.sock; its unit removes it."""
    region = cluster.started_region("rg1", workers=1)
    rack = cluster.started_rack("rk1", region)
    kill(rack.processes[-1])
    assert rack.paths.dhcpd_socket.exists()
    assert rack.rackd().wait(timeout=30) != 0
    rack.paths.dhcpd_socket.unlink()
    process = rack.rackd()
    becomes(lambda: cluster.admin(region).service("rk1"), ("running", ""), "rackd is running")
    assert stop(process) == 0
    assert not rack.paths.dhcpd_socket.exists()


def test_one_url_is_enough_to_find_all_regions(cluster: Cluster) -> None:
    """§4.2, §0a row 4: the rack dials every region, joins a new one without a restart, and takes the fullest answer."""
    first = cluster.started_region("rg1")
    rack = cluster.machine("rk1")
    rack.rack("http://198.18.255.254:1/MAAS", first.url, secret=first.paths.secret.read_text())
    rack.rackd()
    rack.logged("rackd", "Fully connected to all 2 event-loops on all 1 region controllers (rg1).")
    cluster.started_region("rg2")
    rack.logged("rackd", "Fully connected to all 4 event-loops on all 2 region controllers (rg1, rg2).")


def test_a_dead_url_is_replaced_by_what_was_known(cluster: Cluster) -> None:
    """§4.1, §0a row 4: rpc.state leads to the other region."""
    first, second = cluster.region("rg1"), cluster.started_region("rg2")
    process = first.regiond()
    cluster.wait_listed(first)
    rack = cluster.machine("rk1")
    rack.rack(first.url, secret=first.paths.secret.read_text())
    rackd = rack.rackd()
    rack.logged("rackd", "Fully connected to all 4 event-loops")
    assert stop(rackd) == 0
    assert stop(process) == 0
    rack.rackd()
    rack.logged("rackd", "Fully connected to all 2 event-loops on all 1 region controllers (rg2).")
    becomes(
        lambda: cluster.admin(second).service("rk1"),
        ("degraded", "50% connected to region controllers."),
        "a region that is down counts",
    )


def test_a_stopped_rack_is_dead_at_once(cluster: Cluster) -> None:
    """§4.6: a closed connection is seen at once; its other services are unknown."""
    region = cluster.started_region("rg1")
    rack = cluster.started_rack("rk1", region)
    assert stop(rack.processes[-1]) == 0
    admin = cluster.admin(region)
    becomes(lambda: (admin.service("rk1") or ("", ""))[0], "dead", "rackd is dead")
    assert admin.service("rk1", "tftp") == ("unknown", "")


def test_a_deleted_rack_loses_its_secret(cluster: Cluster) -> None:
    """§5, §0a row 5: 204; the secret is wiped, maas_id stays, `systemctl restart maas-rackd`."""
    region = cluster.started_region("rg1")
    rack = cluster.started_rack("rk1", region)
    system_id = rack.paths.maas_id.read_text()
    admin = cluster.admin(region)
    assert admin.delete(f"rackcontrollers/{system_id}/").status == 204
    eventually(lambda: "restart maas-rackd" in rack.systemctl_calls(), "the rack restarts itself")
    assert not rack.paths.secret.exists()
    assert rack.paths.maas_id.read_text() == system_id
    assert admin.racks() == {}


def test_a_deleted_rack_comes_back_as_another(cluster: Cluster) -> None:
    """§4.5, §0a row 4.5: deleted while disconnected, it is reinstated under a new system_id."""
    region = cluster.started_region("rg1")
    rack = cluster.started_rack("rk1", region)
    before = rack.paths.maas_id.read_text()
    assert stop(rack.processes[-1]) == 0
    admin = cluster.admin(region)
    assert admin.delete(f"rackcontrollers/{before}/").status == 204
    rack.rackd()
    becomes(lambda: admin.service("rk1"), ("running", ""), "rackd is running")
    now = admin.racks()["rk1"]["system_id"]
    assert now != before
    becomes(rack.paths.maas_id.read_text, now, "the rack has noted who it is")  # after the region has


def test_a_copied_id_makes_two_hosts_one(cluster: Cluster) -> None:
    """§4.5: a rack that shows another's maas_id becomes that controller."""
    region = cluster.started_region("rg1")
    rack = cluster.started_rack("rk1", region)
    copy = cluster.machine("rk2")
    copy.rack(region.url, secret=region.paths.secret.read_text())
    copy.paths.maas_id.write_text(rack.paths.maas_id.read_text())
    copy.rackd()
    copy.logged("rackd", "Fully connected")
    assert len(cluster.admin(region).racks()) == 1


def test_region_and_rack_on_one_host_are_one_controller(cluster: Cluster) -> None:
    """§1.3, §5: node_type 4; its rack can be deleted alone."""
    region = cluster.started_region("rg1")
    region.rack(region.url, secret=region.paths.secret.read_text())
    region.rackd()
    admin = cluster.admin(region)
    becomes(lambda: admin.service("rg1"), ("running", ""), "rackd is running")
    shown = admin.racks()["rg1"]
    assert (shown["node_type"], shown["node_type_name"]) == (4, "Region and rack controller")
    assert admin.delete(f"rackcontrollers/{shown['system_id']}/").status == 204
    assert [r["node_type"] for r in admin.get("regioncontrollers/").json] == [3]
