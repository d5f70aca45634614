"""Deleting a rack controller: its DHCP moves to other racks first (maas-facts §5)."""

from http import HTTPStatus

from . import nodes
from .db import Cursor, Row
from .schema import SHUTOFF_CHANNEL
from .web import refuse

SERVED = """
SELECT v.id, v.primary_rack_id, v.secondary_rack_id, v.dhcp_on, f.name || '.' || v.name AS title
FROM maasserver_vlan v JOIN maasserver_fabric f ON f.id = v.fabric_id
WHERE %(rack)s IN (v.primary_rack_id, v.secondary_rack_id) ORDER BY v.id
"""
OTHER_CONNECTED = """
SELECT DISTINCT n.id FROM maasserver_node n JOIN maasserver_interface i ON i.node_id = n.id
JOIN maasserver_regionrackrpcconnection c ON c.rack_controller_id = n.id
WHERE i.vlan_id = %s AND n.node_type IN (2, 4) AND n.id <> ALL(%s) ORDER BY n.id LIMIT 1
"""


def delete(cur: Cursor, node: Row, force: bool) -> None:
    """Raises ApiError, 400, if the rack is a VLAN's primary and no other rack can take over, unless forced."""
    cur.execute(SERVED, {"rack": node["id"]})
    stuck = [vlan["title"] for vlan in cur.fetchall() if not _migrate(cur, vlan, node["id"], force)]
    if stuck:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            f"Unable to delete '{node['hostname']}'; it is currently set as a primary rack controller on VLANs"
            f" {', '.join(stuck)} and no other rack controller can provide DHCP.",
        )
    # A connected rack wipes its secret and restarts; region workers hear this once the deletion is committed.
    cur.execute("SELECT pg_notify(%s, %s)", (SHUTOFF_CHANNEL, node["system_id"]))
    if node["node_type"] == nodes.BOTH:
        cur.execute("DELETE FROM maasserver_regionrackrpcconnection WHERE rack_controller_id = %s", (node["id"],))
        cur.execute("UPDATE maasserver_node SET node_type = %s WHERE id = %s", (nodes.REGION, node["id"]))
        nodes.remove_services(cur, node["id"], nodes.rack_services())
    else:
        cur.execute("DELETE FROM maasserver_node WHERE id = %s", (node["id"],))


def _migrate(cur: Cursor, vlan: Row, rack: int, force: bool) -> bool:
    """Give the VLAN to others; False if it is left without anyone and `force` isn't set."""
    if vlan["primary_rack_id"] == rack:
        primary = vlan["secondary_rack_id"] or _other(cur, vlan["id"], [rack])
    else:
        primary = vlan["primary_rack_id"]
    if primary is None and vlan["dhcp_on"] and not force:
        return False
    secondary = _other(cur, vlan["id"], [rack, primary]) if primary is not None else None
    cur.execute(
        "UPDATE maasserver_vlan SET primary_rack_id = %s, secondary_rack_id = %s, dhcp_on = %s WHERE id = %s",
        (primary, secondary, vlan["dhcp_on"] and primary is not None, vlan["id"]),
    )
    return True


def _other(cur: Cursor, vlan: int, excluded: list[int]) -> int | None:
    cur.execute(OTHER_CONNECTED, (vlan, excluded))
    row = cur.fetchone()
    return None if row is None else int(row["id"])
