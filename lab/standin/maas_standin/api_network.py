"""Fabrics and VLANs."""

from . import vlan_form
from .api_resource import Call, Resource, read, update
from .db import Cursor, Row
from .web import Response, not_found

VLAN_QUERY = """
SELECT v.*, f.name AS fabric_name, p.system_id AS primary_rack, s.system_id AS secondary_rack,
       host(v.external_dhcp) AS external
FROM maasserver_vlan v JOIN maasserver_fabric f ON f.id = v.fabric_id
LEFT JOIN maasserver_node p ON p.id = v.primary_rack_id LEFT JOIN maasserver_node s ON s.id = v.secondary_rack_id
"""


def vlan_by_id(cur: Cursor, vlan_id: int) -> dict[str, object]:
    """The VLAN as the API shows it. Raises ApiError, 404."""
    return show_vlan(cur, _one(cur, "v.id = %s", (vlan_id,)))


def show_vlan(cur: Cursor, row: Row) -> dict[str, object]:
    """The shape of maas-facts §5."""
    relay = row["relay_vlan_id"]
    return {
        "id": row["id"],
        "vid": row["vid"],
        "name": row["name"],
        "description": row["description"],
        "fabric": row["fabric_name"],
        "fabric_id": row["fabric_id"],
        "mtu": row["mtu"],
        "dhcp_on": row["dhcp_on"],
        "external_dhcp": row["external"],
        "primary_rack": row["primary_rack"],
        "secondary_rack": row["secondary_rack"],
        "relay_vlan": None if relay is None else vlan_by_id(cur, relay),
        "space": "undefined",
        "resource_uri": f"/MAAS/api/2.0/vlans/{row['id']}/",
    }


def _one(cur: Cursor, condition: str, values: tuple[object, ...]) -> Row:
    cur.execute(f"{VLAN_QUERY} WHERE {condition}", values)
    row: Row | None = cur.fetchone()
    if row is None:
        raise not_found()
    return row


def _number(text: str) -> int:
    """A number of the path; anything else is nothing we have."""
    if not text.isdigit():
        raise not_found()
    return int(text)


def _vlan(call: Call) -> Row:
    if "id" in call.arguments:
        return _one(call.cur, "v.id = %s", (_number(call.arguments["id"]),))
    fabric, vid = _number(call.arguments["fabric_id"]), _number(call.arguments["vid"])
    return _one(call.cur, "v.fabric_id = %s AND v.vid = %s", (fabric, vid))


def _read_vlan(call: Call) -> Response:
    return Response.json(show_vlan(call.cur, _vlan(call)))


def _update_vlan(call: Call) -> Response:
    vlan = _vlan(call)
    vlan_form.update(call.cur, vlan, call.request.form)
    return Response.json(vlan_by_id(call.cur, vlan["id"]))


def _vlans_of(cur: Cursor, fabric: int) -> list[dict[str, object]]:
    cur.execute(f"{VLAN_QUERY} WHERE v.fabric_id = %s ORDER BY v.vid", (fabric,))
    return [show_vlan(cur, row) for row in cur.fetchall()]


def _show_fabric(cur: Cursor, row: Row) -> dict[str, object]:
    return {
        "id": row["id"],
        "name": row["name"],
        "class_type": row["class_type"],
        "vlans": _vlans_of(cur, row["id"]),
        "resource_uri": f"/MAAS/api/2.0/fabrics/{row['id']}/",
    }


def _fabric(call: Call, parameter: str) -> Row:
    call.cur.execute("SELECT * FROM maasserver_fabric WHERE id = %s", (_number(call.arguments[parameter]),))
    row: Row | None = call.cur.fetchone()
    if row is None:
        raise not_found()
    return row


def _read_fabrics(call: Call) -> Response:
    call.cur.execute("SELECT * FROM maasserver_fabric ORDER BY id")
    return Response.json([_show_fabric(call.cur, row) for row in call.cur.fetchall()])


def _read_fabric(call: Call) -> Response:
    return Response.json(_show_fabric(call.cur, _fabric(call, "id")))


def _read_vlans(call: Call) -> Response:
    return Response.json(_vlans_of(call.cur, _fabric(call, "fabric_id")["id"]))


RESOURCES = (
    Resource("FabricsHandler", "fabrics/", (read(_read_fabrics),)),
    Resource("FabricHandler", "fabrics/{id}/", (read(_read_fabric),)),
    Resource("VlansHandler", "fabrics/{fabric_id}/vlans/", (read(_read_vlans),)),
    Resource("VlanHandler", "fabrics/{fabric_id}/vlans/{vid}/", (read(_read_vlan), update(_update_vlan))),
    # The same handler under a VLAN's own id; clients know it by the path above.
    Resource("VlanByIdHandler", "vlans/{id}/", (read(_read_vlan), update(_update_vlan))),
)
