"""VLAN updates and the dhcpd pair behind them (maas-facts §5, §6, §0a rows 4, 5, 6)."""

import re
from dataclasses import dataclass

import pytest

from .client import Client
from .cluster import Cluster
from .machine import Machine, kill, stop
from .polling import becomes, eventually

pytestmark = pytest.mark.lab

VLAN = "vlans/5001/"


@dataclass
class Site:
    """One region and two racks."""

    cluster: Cluster
    region: Machine
    racks: list[Machine]
    admin: Client

    @property
    def ids(self) -> list[str]:
        """The racks' system_ids."""
        return [rack.paths.maas_id.read_text() for rack in self.racks]

    def add_range(self) -> None:
        """A dynamic range."""
        network = self.cluster.network
        made = self.admin.post("ipranges/", type="dynamic", start_ip=network.address(230), end_ip=network.address(239))
        assert made.status == 200, made.text

    def state(self) -> tuple[str | None, str | None, bool]:
        """primary_rack, secondary_rack, dhcp_on."""
        vlan = self.admin.get(VLAN).json
        return vlan["primary_rack"], vlan["secondary_rack"], vlan["dhcp_on"]


@pytest.fixture
def site(cluster: Cluster) -> Site:
    """Registered and connected."""
    region = cluster.started_region("rg1", workers=1)
    racks = [cluster.started_rack(name, region) for name in ("rk1", "rk2")]
    return Site(cluster, region, racks, cluster.admin(region))


def leases(rack: Machine) -> str:
    """What the rack's dhcpd has written of its pair."""
    path = rack.paths.state / "dhcpd.leases"
    return path.read_text() if path.exists() else ""


def test_a_pair_becomes_normal(site: Site) -> None:
    """§6, §0a row 6: both render, both run a real dhcpd, and both say normal; 647 and 7911 are open."""
    site.add_range()
    first, second = site.ids
    answer = site.admin.put(VLAN, primary_rack=first, secondary_rack="rk2", dhcp_on="true")
    assert answer.status == 200
    assert site.state() == (first, second, True)
    for rack in site.racks:
        eventually(
            lambda rack=rack: re.search(r"my state normal.*\n\s*partner state normal", leases(rack)),  # type: ignore[misc]
            f"{rack.name}: the pair is normal",
        )
        becomes(lambda rack=rack: site.admin.service(rack.name, "dhcpd"), ("running", ""), "dhcpd is running")  # type: ignore[misc]
    text = site.racks[0].paths.dhcpd_conf.read_text()
    assert 'failover peer "failover-vlan-5001" {\n    primary;' in text
    assert f"    address {site.racks[0].address};\n    peer address {site.racks[1].address};" in text
    assert "port" not in text.partition('failover peer "failover')[2].partition("}")[0]
    assert "    secondary;" in site.racks[1].paths.dhcpd_conf.read_text()
    assert (site.racks[0].paths.state / "dhcpd-interfaces").read_text() == "eth0"
    # Sending the same again is a success that restarts nothing.
    pid = site.racks[0].dhcpd_pid()
    assert site.admin.put(VLAN, primary_rack=first, secondary_rack=second, dhcp_on="true").status == 200
    becomes(site.racks[0].dhcpd_pid, pid, "the same dhcpd")


def test_a_change_reaches_the_racks(site: Site) -> None:
    """§0a row 6: a second range is rendered on both."""
    site.add_range()
    site.admin.put(VLAN, primary_rack="rk1", secondary_rack="rk2", dhcp_on="true")
    low, high = site.cluster.network.address(240), site.cluster.network.address(245)
    assert site.admin.post("ipranges/", type="dynamic", start_ip=low, end_ip=high, subnet=1).status == 200
    for rack in site.racks:
        eventually(
            lambda rack=rack: (  # type: ignore[misc]
                rack.paths.dhcpd_conf.exists() and f"range {low} {high};" in rack.paths.dhcpd_conf.read_text()
            ),
            f"{rack.name} renders the second range",
        )


def test_what_must_come_first(site: Site) -> None:
    """§5, §0a row 5: the range's text under dhcp_on, before the rack's under __all__."""
    answer = site.admin.put(VLAN, dhcp_on="true")
    assert (answer.status, answer.json) == (
        400,
        {"dhcp_on": ["dhcp can only be turned on when a dynamic IP range is defined."]},
    )
    site.add_range()
    answer = site.admin.put(VLAN, dhcp_on="true")
    assert (answer.status, answer.json) == (
        400,
        {"__all__": ["dhcp can only be turned on when a primary rack controller is set."]},
    )
    assert site.state() == (None, None, False)


def test_a_rack_is_named_by_id_or_short_name(site: Site) -> None:
    """§5: never by FQDN."""
    answer = site.admin.put(VLAN, primary_rack="rk1.maas")
    text = "Select a valid choice. rk1.maas is not one of the available choices."
    assert (answer.status, answer.json) == (400, {"primary_rack": [text]})
    assert site.admin.put(VLAN, primary_rack="rk1").json["primary_rack"] == site.ids[0]
    assert site.admin.put("fabrics/0/vlans/0/", primary_rack=site.ids[1]).json["primary_rack"] == site.ids[1]


def test_primary_and_secondary_must_differ(site: Site) -> None:
    """§5: two texts."""
    first, _ = site.ids
    both = site.admin.put(VLAN, primary_rack=first, secondary_rack=first)
    assert both.status == 400
    assert "The primary and secondary rack must be different" in both.text
    site.admin.put(VLAN, primary_rack=first)
    again = site.admin.put(VLAN, secondary_rack=first)
    assert again.status == 400
    assert f"{first} is already set as the primary rack controller" in again.text


def test_a_swap_in_one_call_loses_the_secondary(site: Site) -> None:
    """§0a row 5: 200, with secondary_rack null; two calls do it."""
    first, second = site.ids
    site.admin.put(VLAN, primary_rack=first, secondary_rack=second)
    answer = site.admin.put(VLAN, primary_rack=second, secondary_rack=first)
    assert answer.status == 200
    assert site.state() == (second, None, False)
    assert site.admin.put(VLAN, secondary_rack=first).status == 200
    assert site.state() == (second, first, False)


def test_clearing_the_primary_promotes_the_secondary(site: Site) -> None:
    """§5: and clearing both while DHCP is on is refused."""
    first, second = site.ids
    site.add_range()
    site.admin.put(VLAN, primary_rack=first, secondary_rack=second, dhcp_on="true")
    assert site.admin.put(VLAN, primary_rack="").status == 200
    assert site.state() == (second, None, True)
    refused = site.admin.put(VLAN, primary_rack="")
    assert refused.json == {"__all__": ["dhcp can only be turned on when a primary rack controller is set."]}
    assert site.admin.put(VLAN, dhcp_on="false").status == 200
    assert site.admin.put(VLAN, primary_rack="").status == 200
    assert site.state() == (None, None, False)


def test_no_secondary_beside_a_dead_primary(site: Site) -> None:
    """§5: the primary's rackd must not be dead."""
    first, second = site.ids
    site.admin.put(VLAN, primary_rack=first)
    assert stop(site.racks[0].processes[-1]) == 0
    becomes(lambda: (site.admin.service("rk1") or ("",))[0], "dead", "rackd is dead")
    answer = site.admin.put(VLAN, secondary_rack=second)
    assert answer.status == 400
    assert "The primary rack controller must be up and running to set a secondary rack controller." in answer.text


def test_relay_excludes_dhcp(site: Site) -> None:
    """§5: relay_vlan is a VLAN's id, only without DHCP; DHCP clears it."""
    site.cluster.sql("INSERT INTO maasserver_vlan (vid, name, fabric_id) VALUES (7, 'seven', 0)")
    assert site.admin.put(VLAN, relay_vlan="5002").json["relay_vlan"]["id"] == 5002
    site.add_range()
    turned_on = site.admin.put(VLAN, primary_rack="rk1", dhcp_on="true")
    assert turned_on.json["relay_vlan"] is None
    assert site.admin.put(VLAN, relay_vlan="5002").status == 400


def test_every_loss_stops_dhcpd(site: Site) -> None:
    """§0a row 4: the last region gone, or rackd stopped; a region that is back starts it again."""
    site.add_range()
    site.admin.put(VLAN, primary_rack="rk1", secondary_rack="rk2", dhcp_on="true")
    rack = site.racks[0]
    eventually(rack.dhcpd_pid, "dhcpd runs")
    kill(site.region.processes[-1])
    rack.logged("rackd", "Lost all connections to region controllers. Stopping service(s) dhcpd.")
    becomes(rack.dhcpd_pid, None, "dhcpd is stopped")
    site.region.regiond()
    eventually(rack.dhcpd_pid, "dhcpd runs again")
    assert stop(rack.processes[-1]) == 0
    becomes(rack.dhcpd_pid, None, "dhcpd is stopped with rackd")


def test_a_rack_that_came_and_went_while_the_database_was_away(site: Site) -> None:
    """The region could not note that it had gone, and tells it its DHCP all the same."""
    site.add_range()
    site.admin.put(VLAN, primary_rack="rk1", secondary_rack="rk2", dhcp_on="true")
    rack, postgres = site.racks[0], site.cluster.postgres
    eventually(rack.dhcpd_pid, "dhcpd runs")
    postgres.stop()
    try:
        assert stop(rack.processes[-1]) == 0
        site.region.logged("regiond", "Database: ")
    finally:
        postgres.start()
    rack.rackd()
    eventually(rack.dhcpd_pid, "dhcpd runs again")


def test_a_rack_that_failed_is_told_again(site: Site) -> None:
    """Until it has taken its configuration."""
    site.add_range()
    conf = site.racks[0].paths.dhcpd_conf
    conf.mkdir()
    site.admin.put(VLAN, primary_rack="rk1", secondary_rack="rk2", dhcp_on="true")
    site.region.logged("regiond", "ConfigureDHCPv4 on rack controller")
    conf.rmdir()
    eventually(site.racks[0].dhcpd_pid, "dhcpd runs")


def test_dhcp_moves_when_a_rack_is_deleted(site: Site) -> None:
    """§5: the secondary is promoted; the last one is refused, unless forced."""
    first, second = site.ids
    site.add_range()
    site.admin.put(VLAN, primary_rack=first, secondary_rack=second, dhcp_on="true")
    assert site.admin.delete(f"rackcontrollers/{first}/").status == 204
    assert site.state() == (second, None, True)
    refused = site.admin.delete(f"rackcontrollers/{second}/")
    assert (refused.status, refused.text) == (
        400,
        "Unable to delete 'rk2'; it is currently set as a primary rack controller on VLANs fabric-0.untagged and no"
        " other rack controller can provide DHCP.",
    )
    assert site.admin.delete(f"rackcontrollers/{second}/?force=true").status == 204
    assert site.state() == (None, None, False)


def test_newer_racks_keep_dhcp_without_regions(cluster: Cluster) -> None:
    """§0a row 4: stopping DHCP with the last region is of 2.9 to 3.6 only; dns_rack too (row 5)."""
    region = cluster.region("rg1", workers=1)
    cluster.machine("rk1").claim((3, 7))
    region.claim((3, 7))
    process = region.regiond()
    cluster.wait_listed(region, 1)
    rack = cluster.started_rack("rk1", region)
    admin = cluster.admin(region)
    names = {s["name"] for s in admin.racks()["rk1"]["service_set"]}
    assert "dns_rack" not in names
    assert "agent" in names
    low, high = cluster.network.address(230), cluster.network.address(239)
    assert admin.post("ipranges/", type="dynamic", start_ip=low, end_ip=high, subnet=1).status == 200
    assert admin.put(VLAN, primary_rack="rk1", dhcp_on="true").status == 200
    pid = eventually(rack.dhcpd_pid, "dhcpd runs")
    assert stop(process) == 0
    second = region.regiond()
    cluster.wait_listed(region, 1)
    becomes(lambda: admin.service("rk1"), ("running", ""), "rackd is running")
    assert rack.dhcpd_pid() == pid
    assert stop(second) == 0
