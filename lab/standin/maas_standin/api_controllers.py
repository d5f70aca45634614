"""Rack and region controllers: reading and deleting."""

from http import HTTPStatus

from . import api_network, nodes, processes, rack_delete
from .api_resource import Call, Resource, delete, read
from .db import Cursor, Row
from .web import NO_CONTENT, Response, not_found, refuse

TYPE_NAMES = {
    nodes.RACK: "Rack controller",
    nodes.REGION: "Region controller",
    nodes.BOTH: "Region and rack controller",
}
RACKS = (nodes.RACK, nodes.BOTH)
REGIONS = (nodes.REGION, nodes.BOTH)


def _show(cur: Cursor, node: Row, resource: str) -> dict[str, object]:
    """What both kinds have; the version is the long form (maas-facts §0a, row 5)."""
    cur.execute(
        "SELECT host(a.ip) AS ip FROM maasserver_staticipaddress a JOIN maasserver_interface i ON i.id = a.interface_id"
        " WHERE i.node_id = %s ORDER BY a.id",
        (node["id"],),
    )
    addresses = [row["ip"] for row in cur.fetchall()]
    return {
        "system_id": node["system_id"],
        "hostname": node["hostname"],
        "fqdn": f"{node['hostname']}.{node['domain']}",
        "domain": {"name": node["domain"], "authoritative": node["domain"] == "maas"},
        "version": node["version"],
        "node_type": node["node_type"],
        "node_type_name": TYPE_NAMES[node["node_type"]],
        "ip_addresses": addresses,
        "interface_set": _interfaces(cur, node["id"]),
        "zone": {"id": 1, "name": "default", "description": ""},
        "pool": None,
        "tag_names": [],
        "description": "",
        "architecture": "amd64/generic",
        "osystem": "ubuntu",
        "distro_series": "jammy",
        "cpu_count": 2,
        "memory": 4096,
        "power_state": "unknown",
        "power_type": "",
        "resource_uri": f"/MAAS/api/2.0/{resource}/{node['system_id']}/",
    }


def _interfaces(cur: Cursor, node: int) -> list[dict[str, object]]:
    cur.execute("SELECT * FROM maasserver_interface WHERE node_id = %s ORDER BY id", (node,))
    return [
        {
            "id": row["id"],
            "name": row["name"],
            "type": "physical",
            "enabled": True,
            "mac_address": row["mac_address"],
            "vlan": None if row["vlan_id"] is None else api_network.vlan_by_id(cur, row["vlan_id"]),
            "links": _links(cur, row["id"]),
        }
        for row in cur.fetchall()
    ]


def _links(cur: Cursor, interface: int) -> list[dict[str, object]]:
    cur.execute(
        "SELECT a.id, host(a.ip) AS ip, s.cidr::text FROM maasserver_staticipaddress a"
        " LEFT JOIN maasserver_subnet s ON s.id = a.subnet_id WHERE a.interface_id = %s ORDER BY a.id",
        (interface,),
    )
    return [
        {"id": row["id"], "mode": "static", "ip_address": row["ip"], "subnet": {"cidr": row["cidr"]}}
        for row in cur.fetchall()
    ]


def _show_rack(cur: Cursor, node: Row) -> dict[str, object]:
    cur.execute(
        "SELECT name, status, status_info FROM maasserver_service WHERE node_id = %s ORDER BY id", (node["id"],)
    )
    services = [dict(row) for row in cur.fetchall()]
    return {**_show(cur, node, "rackcontrollers"), "service_set": services}


def _show_region(cur: Cursor, node: Row) -> dict[str, object]:
    """Without service_set: whether a region lives is not in it (maas-facts §5)."""
    return _show(cur, node, "regioncontrollers")


def _all(cur: Cursor, kinds: tuple[int, ...]) -> list[Row]:
    cur.execute("SELECT * FROM maasserver_node WHERE node_type IN %s ORDER BY id", (kinds,))
    return list(cur.fetchall())


def _one(call: Call, kinds: tuple[int, ...]) -> Row:
    call.cur.execute(
        "SELECT * FROM maasserver_node WHERE system_id = %s AND node_type IN %s", (call.arguments["system_id"], kinds)
    )
    row: Row | None = call.cur.fetchone()
    if row is None:
        raise not_found()
    return row


def _read_racks(call: Call) -> Response:
    return Response.json([_show_rack(call.cur, node) for node in _all(call.cur, RACKS)])


def _read_regions(call: Call) -> Response:
    return Response.json([_show_region(call.cur, node) for node in _all(call.cur, REGIONS)])


def _read_rack(call: Call) -> Response:
    return Response.json(_show_rack(call.cur, _one(call, RACKS)))


def _read_region(call: Call) -> Response:
    return Response.json(_show_region(call.cur, _one(call, REGIONS)))


def _delete_rack(call: Call) -> Response:
    force = call.request.query.get("force", "false").lower() in ("true", "1", "yes", "on")
    rack_delete.delete(call.cur, _one(call, RACKS), force)
    return NO_CONTENT


def _delete_region(call: Call) -> Response:
    """Refused until the region's processes are gone (maas-facts §5)."""
    node = _one(call, REGIONS)
    call.cur.execute("SELECT 1 FROM maasserver_regioncontrollerprocess WHERE region_id = %s LIMIT 1", (node["id"],))
    if call.cur.fetchone() is not None:
        raise refuse(HTTPStatus.BAD_REQUEST, f"Unable to delete {node['hostname']} as it's currently running.")
    if node["node_type"] == nodes.BOTH:
        call.cur.execute("UPDATE maasserver_node SET node_type = %s WHERE id = %s", (nodes.RACK, node["id"]))
        nodes.remove_services(call.cur, node["id"], nodes.REGION_SERVICES)
    else:
        call.cur.execute("DELETE FROM maasserver_node WHERE id = %s", (node["id"],))
    processes.update_all_racks(call.cur)
    return NO_CONTENT


RESOURCES = (
    # Both lists have a side for anonymous callers, without any action: 400, not 401 (maas-facts §0a, row 5).
    Resource("RackControllersHandler", "rackcontrollers/", (read(_read_racks),), anonymous=True),
    Resource("RackControllerHandler", "rackcontrollers/{system_id}/", (read(_read_rack), delete(_delete_rack))),
    Resource("RegionControllersHandler", "regioncontrollers/", (read(_read_regions),), anonymous=True),
    Resource("RegionControllerHandler", "regioncontrollers/{system_id}/", (read(_read_region), delete(_delete_region))),
)
