"""Subnets."""

import ipaddress

from . import api_network
from .api_resource import Call, Resource, read, update
from .db import Cursor, Row
from .web import Response, invalid, not_found

SUBNET_QUERY = "SELECT *, cidr::text AS network, host(gateway_ip) AS gateway FROM maasserver_subnet"


def show(cur: Cursor, row: Row) -> dict[str, object]:
    """The shape of maas-facts §5."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": "",
        "cidr": row["network"],
        "gateway_ip": row["gateway"],
        "dns_servers": row["dns_servers"],
        "managed": row["managed"],
        "active_discovery": False,
        "allow_dns": True,
        "allow_proxy": True,
        "rdns_mode": 2,
        "space": "undefined",
        "vlan": api_network.vlan_by_id(cur, row["vlan_id"]),
        "resource_uri": f"/MAAS/api/2.0/subnets/{row['id']}/",
    }


def find(cur: Cursor, given: str) -> Row | None:
    """By id, CIDR or name."""
    cur.execute(
        f"{SUBNET_QUERY} WHERE id::text = %(given)s OR cidr::text = %(given)s OR name = %(given)s ORDER BY id LIMIT 1",
        {"given": given},
    )
    row: Row | None = cur.fetchone()
    return row


def _subnet(call: Call) -> Row:
    row = find(call.cur, call.arguments["id"])
    if row is None:
        raise not_found()
    return row


def _read_all(call: Call) -> Response:
    call.cur.execute(f"{SUBNET_QUERY} ORDER BY id")
    return Response.json([show(call.cur, row) for row in call.cur.fetchall()])


def _read_one(call: Call) -> Response:
    return Response.json(show(call.cur, _subnet(call)))


def _update(call: Call) -> Response:
    """name, gateway_ip, dns_servers and managed; missing fields keep their values."""
    row, form = _subnet(call), call.request.form
    gateway = form.get("gateway_ip", row["gateway"]) or None
    if gateway is not None and not _inside(gateway, row["network"]):
        raise invalid({"gateway_ip": ["Gateway IP must be within CIDR range."]})
    servers = form["dns_servers"].replace(",", " ").split() if "dns_servers" in form else row["dns_servers"]
    managed = form.get("managed", str(row["managed"])).lower() in ("true", "1", "on")
    call.cur.execute(
        "UPDATE maasserver_subnet SET name = %s, gateway_ip = %s, dns_servers = %s, managed = %s WHERE id = %s",
        (form.get("name") or row["name"], gateway, servers, managed, row["id"]),
    )
    return Response.json(show(call.cur, find(call.cur, str(row["id"])) or row))


def _inside(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


RESOURCES = (
    Resource("SubnetsHandler", "subnets/", (read(_read_all),)),
    Resource("SubnetHandler", "subnets/{id}/", (read(_read_one), update(_update))),
)
