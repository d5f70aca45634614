"""Controllers in the database: who registers becomes which node, and what networks its interfaces reveal."""

import ipaddress
import secrets
from collections.abc import Sequence

from . import version
from .db import Cursor, Row, one
from .net import Interface

MACHINE, RACK, REGION, BOTH = 0, 2, 3, 4
"""node_type of a machine, a rack, a region and a region+rack controller (maas-facts §5)."""

ID_ALPHABET = "abcdefghkmnpqrstwxyz34678"


class MultipleObjectsError(Exception):
    """A region's hostname and MACs belong to two nodes; regiond can't start (maas-facts §4.5)."""


def rack_services() -> list[str]:
    """Names in a rack's service_set, rackd first (maas-facts §5 and §0a)."""
    names = ["rackd", "tftp", "http", "dhcpd", "dhcpd6", "ntp_rack", "proxy_rack", "syslog_rack"]
    if version.MINOR <= (3, 6):
        names.append("dns_rack")
    if version.MINOR >= (3, 5):
        names.append("agent")
    return names


REGION_SERVICES = ("regiond", "bind9", "ntp_region", "proxy", "reverse_proxy", "syslog_region")


def register_region(cur: Cursor, fqdn: str, interfaces: Sequence[Interface]) -> str:
    """Find this host's node by hostname or MAC, or make one; its system_id. Raises MultipleObjectsError."""
    hostname, _, domain = fqdn.partition(".")
    found = _matches(cur, None, hostname, interfaces)
    if len(found) > 1:
        raise MultipleObjectsError(f"get() returned more than one Node -- it returned {len(found)}!")
    system_id = _register(cur, found[0] if found else None, hostname, domain, REGION, interfaces, version.LONG)
    if version.MINOR >= (3, 5):  # fails on the schema of an older MAAS
        cur.execute("UPDATE maasserver_node SET image_sync = true WHERE system_id = %s", (system_id,))
    return system_id


def register_rack(
    cur: Cursor, system_id: str | None, fqdn: str, interfaces: Sequence[Interface], running: str = version.LONG
) -> str:
    """Find the rack's node by system_id, hostname or MAC (the first hit wins), or make one; its system_id.

    The version that it is `running` is its own word; no other is refused (maas-facts §9).
    """
    hostname, _, domain = fqdn.partition(".")
    found = _matches(cur, system_id, hostname, interfaces)
    return _register(cur, found[0] if found else None, hostname, domain, RACK, interfaces, running)


def _matches(cur: Cursor, system_id: str | None, hostname: str, interfaces: Sequence[Interface]) -> list[Row]:
    cur.execute(
        "SELECT DISTINCT n.* FROM maasserver_node n LEFT JOIN maasserver_interface i ON i.node_id = n.id"
        " WHERE n.system_id = %s OR n.hostname = %s OR i.mac_address = ANY(%s::macaddr[]) ORDER BY n.id",
        (system_id, hostname, [i.mac for i in interfaces]),
    )
    return list(cur.fetchall())


def _register(
    cur: Cursor,
    node: Row | None,
    hostname: str,
    domain: str,
    role: int,
    interfaces: Sequence[Interface],
    running: str,
) -> str:
    if node is None:
        cur.execute(
            "INSERT INTO maasserver_node (system_id, hostname, domain, node_type) VALUES (%s, %s, %s, %s) RETURNING *",
            (unused_system_id(cur), hostname, domain or "maas", role),
        )
        node = one(cur)
    kind = role if node["node_type"] == role else BOTH
    cur.execute(
        "UPDATE maasserver_node SET hostname = %s, node_type = %s, version = %s, updated = now() WHERE id = %s",
        (hostname, kind, running, node["id"]),
    )
    _ensure_services(cur, node["id"], rack_services() if role == RACK else REGION_SERVICES)
    update_interfaces(cur, node["id"], interfaces)
    return str(node["system_id"])


def unused_system_id(cur: Cursor) -> str:
    """Six characters no other node has: a deleted controller comes back under a new one (maas-facts §4.5)."""
    while True:
        candidate = "".join(secrets.choice(ID_ALPHABET) for _ in range(6))
        cur.execute("SELECT 1 FROM maasserver_node WHERE system_id = %s", (candidate,))
        if cur.fetchone() is None:
            return candidate


def _ensure_services(cur: Cursor, node_id: int, names: Sequence[str]) -> None:
    """Until the first report all of a rack's are `unknown`, except rackd (maas-facts §0a, row 5)."""
    status = "running" if tuple(names) == REGION_SERVICES else "unknown"
    for name in names:
        cur.execute(
            "INSERT INTO maasserver_service (node_id, name, status) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (node_id, name, status),
        )


def remove_services(cur: Cursor, node_id: int, names: Sequence[str]) -> None:
    """The node has lost one of its two roles."""
    cur.execute("DELETE FROM maasserver_service WHERE node_id = %s AND name = ANY(%s)", (node_id, list(names)))


def update_known(cur: Cursor, system_id: str, interfaces: Sequence[Interface]) -> None:
    """`update_interfaces` of a node that may have been deleted meanwhile; then nothing happens."""
    cur.execute("SELECT id FROM maasserver_node WHERE system_id = %s", (system_id,))
    row = cur.fetchone()
    if row is not None:
        update_interfaces(cur, row["id"], interfaces)


def update_interfaces(cur: Cursor, node_id: int, interfaces: Sequence[Interface]) -> None:
    """Record the interfaces; an unknown network becomes a subnet, on a fabric of its own."""
    cur.execute(
        "DELETE FROM maasserver_interface WHERE node_id = %s AND name <> ALL(%s)",
        (node_id, [i.name for i in interfaces]),
    )
    for interface in interfaces:
        vlan = _vlan_of(cur, interface)
        cur.execute(
            "INSERT INTO maasserver_interface (node_id, name, mac_address, vlan_id) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (node_id, name) DO UPDATE SET mac_address = EXCLUDED.mac_address,"
            " vlan_id = EXCLUDED.vlan_id RETURNING id",
            (node_id, interface.name, interface.mac, vlan),
        )
        row = one(cur)
        _update_links(cur, row["id"], interface)


def _update_links(cur: Cursor, interface_id: int, interface: Interface) -> None:
    ips = [a.partition("/")[0] for a in interface.addresses]
    cur.execute(
        "DELETE FROM maasserver_staticipaddress WHERE interface_id = %s AND ip <> ALL(%s::inet[])", (interface_id, ips)
    )
    for ip in ips:
        cur.execute(
            "INSERT INTO maasserver_staticipaddress (ip, interface_id, subnet_id) SELECT %(ip)s, %(interface)s,"
            " (SELECT id FROM maasserver_subnet WHERE %(ip)s::inet <<= cidr ORDER BY masklen(cidr) DESC LIMIT 1)"
            " ON CONFLICT DO NOTHING",
            {"ip": ip, "interface": interface_id},
        )


def _vlan_of(cur: Cursor, interface: Interface) -> int | None:
    """The VLAN of the interface's first network: controllers on the same network share it."""
    vlan: int | None = None
    for address in interface.addresses:
        network = ipaddress.ip_interface(address).network
        if network.prefixlen == network.max_prefixlen:
            continue  # a virtual address brings no network of its own
        cur.execute("SELECT vlan_id FROM maasserver_subnet WHERE cidr = %s", (str(network),))
        row = cur.fetchone()
        if row is None:
            vlan = vlan if vlan is not None else _unused_vlan(cur)
            cur.execute(
                "INSERT INTO maasserver_subnet (name, cidr, vlan_id) VALUES (%s, %s, %s)",
                (str(network), str(network), vlan),
            )
        elif vlan is None:
            vlan = int(row["vlan_id"])
    return vlan


def _unused_vlan(cur: Cursor) -> int:
    """The default fabric's untagged VLAN for the first network ever, a new fabric's for each later one."""
    cur.execute(
        "SELECT v.id FROM maasserver_vlan v WHERE NOT EXISTS (SELECT 1 FROM maasserver_subnet) ORDER BY id LIMIT 1"
    )
    row = cur.fetchone()
    if row is not None:
        return int(row["id"])
    cur.execute("INSERT INTO maasserver_fabric (name) VALUES (NULL) RETURNING id")
    fabric = one(cur)["id"]
    cur.execute("UPDATE maasserver_fabric SET name = %s WHERE id = %s", (f"fabric-{fabric}", fabric))
    cur.execute("INSERT INTO maasserver_vlan (vid, name, fabric_id) VALUES (0, 'untagged', %s) RETURNING id", (fabric,))
    return int(one(cur)["id"])
