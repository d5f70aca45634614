"""The HTTP API: authentication, shapes, refusals (maas-facts §5, §0a row 5)."""

import time

import pytest

from .client import Client
from .cluster import Cluster
from .machine import Machine, stop
from .polling import becomes

pytestmark = pytest.mark.lab


@pytest.fixture
def region(cluster: Cluster) -> Machine:
    """One region with one worker."""
    return cluster.started_region("rg1", workers=1)


@pytest.fixture
def admin(cluster: Cluster, region: Machine) -> Client:
    """Its administrator."""
    return cluster.admin(region)


def test_anonymous_callers(region: Machine) -> None:
    """§0a row 5: the controllers' lists don't know the operation, all else is Forbidden; version and rpc are open."""
    anonymous = Client(region.url)
    for path in ("rackcontrollers/", "regioncontrollers/"):
        answer = anonymous.get(path)
        assert (answer.status, answer.text) == (400, "Unrecognised signature: method=GET op=None")
    for path in ("users/", "subnets/", "maas/?op=get_config&name=maas_name", "rackcontrollers/abcdef/"):
        answer = anonymous.get(path)
        assert (answer.status, answer.text) == (401, "Forbidden")
    assert anonymous.get("version/").json["version"] == "3.4.10"
    assert set(anonymous.get("version/").json) == {"capabilities", "version", "subversion"}
    assert anonymous.rpc().status == 200


def test_bad_authorization(cluster: Cluster, region: Machine, admin: Client) -> None:
    """§0a row 5: unknown key, used nonce, clock off by more than 300 s."""
    bad = Client(region.url, "a:b:c").get("users/")
    assert (bad.status, bad.text) == (401, "Authorization Error: Invalid API key.")
    assert admin.get("users/", secret="wrong").status == 401
    assert admin.get("users/", nonce="once").status == 200
    used = admin.get("users/", nonce="once")
    assert (used.status, used.text) == (401, "Authorization Error: 'Nonce already used: once'")
    late = admin.get("users/", timestamp=int(time.time()) - 310)
    assert late.status == 401
    assert late.text.startswith("Authorization Error: 'Expired timestamp")
    assert admin.get("users/", timestamp=int(time.time()) - 200).status == 200


def test_requests_forget_no_nonces(cluster: Cluster, region: Machine, admin: Client) -> None:
    """That is a service's work, when a regiond starts: requests that all delete the same rows would fail each other."""
    assert admin.get("users/", nonce="old").status == 200
    cluster.sql("UPDATE piston3_nonce SET created = now() - interval '1 day'")
    assert admin.get("users/", nonce="old").status == 401
    stop(region.processes[-1])
    region.regiond()
    cluster.wait_listed(region, workers=1)
    assert admin.get("users/", nonce="old").status == 200


def test_paths_and_operations(admin: Client) -> None:
    """§5: the slash at the end is part of the path; an unknown operation isn't recognised."""
    assert admin.get("users").status == 404
    assert admin.get("nonsense/").status == 404
    answer = admin.post("users/?op=nonsense")
    assert (answer.status, answer.text) == (400, "Unrecognised signature: method=POST op=nonsense")
    assert admin.get("rackcontrollers/zzzzzz/").status == 404
    assert admin.get("vlans/99/").status == 404


def test_users(admin: Client) -> None:
    """Users and who one is."""
    assert [u["username"] for u in admin.get("users/").json] == ["admin"]
    assert admin.get("users/?op=whoami").json["is_superuser"] is True
    assert admin.get("users/admin/").json["email"] == "admin@example.com"


def test_others_than_administrators_may_not_change(cluster: Cluster, region: Machine, admin: Client) -> None:
    """403 in plain text."""
    cluster.sql("UPDATE auth_user SET is_superuser = false")
    assert admin.get("subnets/").status == 200
    answer = admin.put("vlans/5001/", name="x")
    assert (answer.status, answer.text) == (403, "This method is reserved for admin users.")


def test_settings(admin: Client) -> None:
    """Defaults, a change, and names that aren't settings."""
    assert admin.get("maas/?op=get_config&name=maas_name").json == "maas"
    changed = admin.post("maas/?op=set_config", name="maas_name", value="lab")
    assert (changed.status, changed.text) == (200, "OK")
    assert admin.get("maas/?op=get_config&name=maas_name").json == "lab"
    admin.post("maas/?op=set_config", name="boot_images_auto_import", value="false")
    assert admin.get("maas/?op=get_config&name=boot_images_auto_import").json is False
    assert admin.post("maas/?op=set_config", name="nonsense", value="1").status == 400


def test_a_region_is_discovered_with_its_network(cluster: Cluster, region: Machine, admin: Client) -> None:
    """§5: shapes of region, subnet, VLAN and fabric; a region has no service_set."""
    (shown,) = admin.get("regioncontrollers/").json
    assert shown["hostname"] == "rg1"
    assert shown["fqdn"] == "rg1.maas"
    assert shown["node_type"] == 3
    assert shown["version"] == "3.4.10-14366-g.518bf2c80"
    assert shown["ip_addresses"] == [region.address]
    assert "service_set" not in shown
    (subnet,) = admin.get("subnets/").json
    assert (subnet["cidr"], subnet["managed"], subnet["gateway_ip"]) == (cluster.network.cidr, True, None)
    assert subnet["vlan"] == admin.get("vlans/5001/").json == admin.get("fabrics/0/vlans/0/").json
    assert subnet["vlan"] == {
        "id": 5001,
        "vid": 0,
        "name": "untagged",
        "description": "",
        "fabric": "fabric-0",
        "fabric_id": 0,
        "mtu": 1500,
        "dhcp_on": False,
        "external_dhcp": None,
        "primary_rack": None,
        "secondary_rack": None,
        "relay_vlan": None,
        "space": "undefined",
        "resource_uri": "/MAAS/api/2.0/vlans/5001/",
    }
    assert [f["name"] for f in admin.get("fabrics/").json] == ["fabric-0"]
    assert admin.get("fabrics/0/vlans/").json == [subnet["vlan"]]


def test_controllers_on_one_network_share_its_vlan(cluster: Cluster, region: Machine, admin: Client) -> None:
    """A second region makes no second fabric."""
    cluster.started_region("rg2", workers=1)
    assert len(admin.get("fabrics/").json) == 1
    vlans = {i["vlan"]["id"] for r in admin.get("regioncontrollers/").json for i in r["interface_set"]}
    assert vlans == {5001}


def test_a_subnet_can_be_changed(cluster: Cluster, admin: Client) -> None:
    """Missing fields keep their values; a gateway must be inside."""
    changed = admin.put("subnets/1/", gateway_ip=cluster.network.gateway)
    assert (changed.status, changed.json["gateway_ip"]) == (200, cluster.network.gateway)
    assert changed.json["name"] == cluster.network.cidr
    assert admin.put("subnets/1/", gateway_ip="10.9.9.9").status == 400


def test_ranges(cluster: Cluster, region: Machine, admin: Client) -> None:
    """§5, §0a row 5: 200 on creation; the same again, an address in use and a bad subnet are refused."""
    low, high = cluster.network.address(200), cluster.network.address(210)
    made = admin.post("ipranges/", type="dynamic", start_ip=low, end_ip=high, subnet=1)
    assert made.status == 200
    assert (made.json["type"], made.json["start_ip"], made.json["end_ip"]) == ("dynamic", low, high)
    assert made.json["subnet"]["id"] == 1
    text = "Requested dynamic range conflicts with an existing IP address or range."
    again = admin.post("ipranges/", type="dynamic", start_ip=low, end_ip=high, subnet=1)
    assert (again.status, again.json) == (400, {"start_ip": [text], "end_ip": [text]})
    used = admin.post("ipranges/", type="dynamic", start_ip=region.address, end_ip=region.address, subnet=1)
    assert (used.status, used.json) == (400, {"start_ip": [text], "end_ip": [text]})
    assert admin.post("ipranges/", type="dynamic", start_ip="10.0.0.1", end_ip="10.0.0.2", subnet=1).status == 400
    assert admin.post("ipranges/", type="dynamic").json == {
        "start_ip": ["This field is required."],
        "end_ip": ["This field is required."],
    }
    assert len(admin.get("ipranges/").json) == 1
    one = f"ipranges/{made.json['id']}/"
    moved = admin.put(one, start_ip=cluster.network.address(205), end_ip=cluster.network.address(215))
    assert (moved.status, moved.json["start_ip"]) == (200, cluster.network.address(205))
    assert admin.put(one, start_ip=region.address, end_ip=region.address).status == 400
    assert admin.put(one, comment="ours").json["end_ip"] == cluster.network.address(215)
    assert admin.delete(f"ipranges/{made.json['id']}/").status == 204
    assert admin.get("ipranges/").json == []


def test_tags(cluster: Cluster, region: Machine, admin: Client) -> None:
    """Created with 200, by name alone; a name is there once."""
    made = admin.post("tags/", name="a-tag_1")
    assert (made.status, made.json["name"]) == (200, "a-tag_1")
    assert admin.post("tags/", name="a-tag_1").json == {"name": ["Tag with this Name already exists."]}
    assert admin.post("tags/", name="no tag").status == 400
    assert [tag["name"] for tag in admin.get("tags/").json] == ["a-tag_1"]
    assert admin.delete("tags/a-tag_1/").status == 204
    gone = admin.delete("tags/a-tag_1/")
    assert (gone.status, gone.text) == (404, "No Tag matches the given query.")
    assert admin.get("tags/").json == []


def test_region_delete(cluster: Cluster, region: Machine, admin: Client) -> None:
    """§5, §0a row 5: refused while it runs, 204 at once after a clean stop; it comes back under a new id."""
    other = cluster.region("rg2", workers=1)
    process = other.regiond()
    cluster.wait_listed(other, 1)
    system_id = other.paths.maas_id.read_text()
    running = admin.delete(f"regioncontrollers/{system_id}/")
    assert (running.status, running.text) == (400, "Unable to delete rg2 as it's currently running.")
    assert stop(process) == 0
    assert admin.delete(f"regioncontrollers/{system_id}/").status == 204
    other.regiond()
    cluster.wait_listed(other, 1)
    assert other.paths.maas_id.read_text() != system_id
    becomes(lambda: len(admin.get("regioncontrollers/").json), 2, "two regions again")


def test_forms_come_in_more_than_one_encoding(region: Machine, admin: Client) -> None:
    """Multipart, as MAAS's own command line sends it."""
    from .client import sign

    key = admin.key
    assert key is not None
    body = (
        '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nmaas_name\r\n'
        '--x\r\nContent-Disposition: form-data; name="value"\r\n\r\nby hand\r\n--x--\r\n'
    )
    headers = {"Authorization": sign(key), "Content-Type": "multipart/form-data; boundary=x"}
    assert admin.raw("POST", "/MAAS/api/2.0/maas/?op=set_config", headers, body).status == 200
    assert admin.get("maas/?op=get_config&name=maas_name").json == "by hand"
