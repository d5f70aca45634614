"""What a region tells a rack about DHCP, from the database."""

from . import shared_secret
from .db import Cursor, Row
from .dhcp import Configuration, FailoverPeer, Pool, SharedNetwork, Subnet

OWN_ADDRESS = """
SELECT host(a.ip) AS ip, i.name FROM maasserver_staticipaddress a
JOIN maasserver_interface i ON i.id = a.interface_id JOIN maasserver_subnet s ON s.id = a.subnet_id
WHERE i.node_id = %s AND i.vlan_id = %s AND s.vlan_id = i.vlan_id AND family(a.ip) = 4 ORDER BY a.id LIMIT 1
"""


def for_rack(cur: Cursor, rack: str) -> Configuration:
    """The configuration of the rack with that system_id; IPv4 only."""
    configuration = Configuration(
        omapi_key=shared_secret.ensure_in_database(cur, shared_secret.OMAPI_KEY),
        interfaces=[],
        failover_peers=[],
        shared_networks=[],
    )
    cur.execute(
        "SELECT v.*, n.id AS rack_id FROM maasserver_vlan v JOIN maasserver_node n"
        " ON n.id IN (v.primary_rack_id, v.secondary_rack_id) WHERE v.dhcp_on AND n.system_id = %s ORDER BY v.id",
        (rack,),
    )
    for vlan in cur.fetchall():
        _add_vlan(cur, configuration, vlan)
    return configuration


def _add_vlan(cur: Cursor, configuration: Configuration, vlan: Row) -> None:
    own = _address(cur, vlan["rack_id"], vlan["id"])
    if own is None:
        return  # accepted by the API, for only the VID number counts there, but nothing to serve (maas-facts §5)
    is_primary = vlan["rack_id"] == vlan["primary_rack_id"]
    other = vlan["secondary_rack_id"] if is_primary else vlan["primary_rack_id"]
    peer = None if other is None else _address(cur, other, vlan["id"])
    name = None
    if peer is not None:
        name = f"failover-vlan-{vlan['id']}"
        mode = "primary" if is_primary else "secondary"
        configuration["failover_peers"].append(
            FailoverPeer(name=name, mode=mode, address=own["ip"], peer_address=peer["ip"])
        )
    if own["name"] not in configuration["interfaces"]:
        configuration["interfaces"].append(own["name"])
    configuration["shared_networks"].append(
        SharedNetwork(name=f"vlan-{vlan['id']}", mtu=vlan["mtu"], subnets=_subnets(cur, vlan["id"], own["ip"], name))
    )


def _address(cur: Cursor, node: int, vlan: int) -> Row | None:
    cur.execute(OWN_ADDRESS, (node, vlan))
    row: Row | None = cur.fetchone()
    return row


def _subnets(cur: Cursor, vlan: int, next_server: str, failover_peer: str | None) -> list[Subnet]:
    cur.execute(
        "SELECT id, cidr::text, host(gateway_ip) AS gateway_ip, dns_servers FROM maasserver_subnet"
        " WHERE vlan_id = %s AND family(cidr) = 4 ORDER BY cidr",
        (vlan,),
    )
    return [
        Subnet(
            cidr=row["cidr"],
            gateway_ip=row["gateway_ip"],
            dns_servers=row["dns_servers"],
            next_server=next_server,
            pools=_pools(cur, row["id"], failover_peer),
        )
        for row in cur.fetchall()
    ]


def _pools(cur: Cursor, subnet: int, failover_peer: str | None) -> list[Pool]:
    cur.execute(
        "SELECT host(start_ip) AS start_ip, host(end_ip) AS end_ip FROM maasserver_iprange"
        " WHERE subnet_id = %s AND type = 'dynamic' ORDER BY start_ip",
        (subnet,),
    )
    return [Pool(start_ip=r["start_ip"], end_ip=r["end_ip"], failover_peer=failover_peer) for r in cur.fetchall()]
