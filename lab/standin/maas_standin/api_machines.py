"""Machines as far as their power goes: a BMC that racks speak IPMI to (maas-facts §12.8)."""

import ipaddress
import json
import re
from collections.abc import Callable

from . import nodes, power
from .api_resource import Call, Resource, create, delete, operation, read
from .db import Cursor, Row, one
from .web import NO_CONTENT, Fields, Response, invalid, not_found

SELECT = """
SELECT n.*, b.power_type, b.power_parameters, b.power_state, b.architecture FROM maasserver_node n
JOIN maasserver_bmc b ON b.node_id = n.id
"""
PARAMETERS = ("power_address", "power_user", "power_pass")
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
REQUIRED = "This field is required."


def _show(cur: Cursor, machine: Row) -> dict[str, object]:
    cur.execute("SELECT * FROM maasserver_interface WHERE node_id = %s ORDER BY id", (machine["id"],))
    interfaces = [{"id": row["id"], "name": row["name"], "mac_address": row["mac_address"]} for row in cur.fetchall()]
    return {
        "system_id": machine["system_id"],
        "hostname": machine["hostname"],
        "fqdn": f"{machine['hostname']}.{machine['domain']}",
        "node_type": machine["node_type"],
        "node_type_name": "Machine",
        "architecture": machine["architecture"],
        "status": 0,
        "status_name": "New",
        "power_type": machine["power_type"],
        "power_state": machine["power_state"],
        "interface_set": interfaces,
        "resource_uri": f"/MAAS/api/2.0/machines/{machine['system_id']}/",
    }


def _machine(call: Call) -> Row:
    call.cur.execute(f"{SELECT} WHERE n.system_id = %s", (call.arguments["system_id"],))
    row: Row | None = call.cur.fetchone()
    if row is None:
        raise not_found()
    return row


def _read_all(call: Call) -> Response:
    call.cur.execute(f"{SELECT} ORDER BY n.id")
    return Response.json([_show(call.cur, machine) for machine in call.cur.fetchall()])


def _read_one(call: Call) -> Response:
    return Response.json(_show(call.cur, _machine(call)))


def _create(call: Call) -> Response:
    """One machine with one MAC address and a BMC that speaks IPMI; never commissioned."""
    form, cur = call.request.form, call.cur
    mac, address = form.get("mac_addresses", "").lower(), form.get("power_parameters_power_address", "")
    errors = _errors(cur, form, mac, address)
    if errors:
        raise invalid(errors)
    system_id = nodes.unused_system_id(cur)
    cur.execute(
        "INSERT INTO maasserver_node (system_id, hostname, domain, node_type) VALUES (%s, %s, 'maas', %s) RETURNING *",
        (system_id, form.get("hostname") or f"machine-{system_id}", nodes.MACHINE),
    )
    node = one(cur)["id"]
    parameters = json.dumps({name: form.get(f"power_parameters_{name}", "") for name in PARAMETERS})
    cur.execute(
        "INSERT INTO maasserver_bmc (node_id, power_type, power_parameters, architecture) VALUES (%s, 'ipmi', %s, %s)",
        (node, parameters, form["architecture"]),
    )
    cur.execute(
        "INSERT INTO maasserver_interface (node_id, name, mac_address) VALUES (%s, 'eth0', %s)",
        (node, mac),
    )
    cur.execute(f"{SELECT} WHERE n.id = %s", (node,))
    return Response.json(_show(cur, one(cur)))


def _errors(cur: Cursor, form: Fields, mac: str, address: str) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not form.get("architecture"):
        errors["architecture"] = [REQUIRED]
    if not MAC.fullmatch(mac):
        errors["mac_addresses"] = [f"'{mac}' is not a valid MAC address." if mac else REQUIRED]
    else:
        cur.execute("SELECT 1 FROM maasserver_interface WHERE mac_address = %s", (mac,))
        if cur.fetchone() is not None:
            errors["mac_addresses"] = [f"MAC address {mac} already in use."]
    cur.execute("SELECT 1 FROM maasserver_node WHERE hostname = %s", (form.get("hostname"),))
    if cur.fetchone() is not None:
        errors["hostname"] = ["Node with this Hostname already exists."]
    kind = form.get("power_type", "")
    if kind != "ipmi":
        text = f"Select a valid choice. {kind} is not one of the available choices." if kind else REQUIRED
        errors["power_type"] = [text]
    if not _is_address(address):
        errors["power_parameters"] = [f"IP address: {'Enter a valid IPv4 or IPv6 address.' if address else REQUIRED}"]
    return errors


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _delete(call: Call) -> Response:
    call.cur.execute("DELETE FROM maasserver_node WHERE id = %s", (_machine(call)["id"],))
    return NO_CONTENT


def _power(command: str) -> Callable[[Call], Response]:
    """The machine after a rack has done `command`."""

    def run(call: Call) -> Response:
        machine = _acted(call, command)
        return Response.json(_show(call.cur, machine))

    return run


def _query(call: Call) -> Response:
    return Response.json({"state": _acted(call, "PowerQuery")["power_state"]})


def _acted(call: Call, command: str) -> Row:
    machine = _machine(call)
    state = power.act(call.cur, call.racks, machine, command)
    call.cur.execute("UPDATE maasserver_bmc SET power_state = %s WHERE node_id = %s", (state, machine["id"]))
    return _machine(call)


def _parameters(call: Call) -> Response:
    return Response.json(_machine(call)["power_parameters"])


RESOURCES = (
    Resource("MachinesHandler", "machines/", (read(_read_all), create(_create)), anonymous=True),
    Resource(
        "MachineHandler",
        "machines/{system_id}/",
        (
            read(_read_one),
            delete(_delete),
            operation("power_on", "POST", _power("PowerOn")),
            operation("power_off", "POST", _power("PowerOff")),
            operation("query_power_state", "GET", _query),
            operation("power_parameters", "GET", _parameters, admin=True),
        ),
    ),
)
