"""Region processes, their addresses, the racks connected to them, and what follows for a rack's state."""

from collections.abc import Collection, Sequence

from .db import Cursor, one

EventLoops = dict[str, list[tuple[str, int]]]
"""`host:pid=N` → addresses and port, as `/MAAS/rpc/` answers (maas-facts §4.2)."""


def refresh(
    cur: Cursor, region: str, pid: int, endpoints: Sequence[tuple[str, int]], racks: Collection[str]
) -> int | None:
    """Write the process's row with its addresses and racks anew; its id, or None if the region was deleted."""
    cur.execute(
        "INSERT INTO maasserver_regioncontrollerprocess (region_id, pid, updated)"
        " SELECT id, %s, clock_timestamp() FROM maasserver_node WHERE system_id = %s"
        " ON CONFLICT (region_id, pid) DO UPDATE SET updated = EXCLUDED.updated RETURNING id",
        (pid, region),
    )
    row = cur.fetchone()
    if row is None:
        return None
    process = int(row["id"])
    cur.execute("DELETE FROM maasserver_regioncontrollerprocessendpoint WHERE process_id = %s", (process,))
    for address, port in endpoints:
        cur.execute(
            "INSERT INTO maasserver_regioncontrollerprocessendpoint (process_id, address, port) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (process, address, port),
        )
    cur.execute(
        "INSERT INTO maasserver_regionrackrpcconnection (process_id, rack_controller_id)"
        " SELECT %s, id FROM maasserver_node WHERE system_id = ANY(%s) ON CONFLICT DO NOTHING",
        (process, list(racks)),
    )
    return process


def drop_region(cur: Cursor, region: str) -> None:
    """A clean stop takes its own rows away (maas-facts §0a, row 4.6)."""
    cur.execute(
        "DELETE FROM maasserver_regioncontrollerprocess p USING maasserver_node n"
        " WHERE n.id = p.region_id AND n.system_id = %s",
        (region,),
    )
    update_all_racks(cur)


def drop_expired(cur: Cursor, seconds: float) -> int:
    """Every region drops the rows that nobody refreshed, of any region (maas-facts §4.6); how many there were."""
    cur.execute(
        "DELETE FROM maasserver_regioncontrollerprocess WHERE updated < clock_timestamp() - make_interval(secs => %s)",
        (seconds,),
    )
    dropped = cur.rowcount
    update_all_racks(cur)
    return dropped


def connected(cur: Cursor, process: int, rack: str) -> None:
    """A rack has registered on a connection to this process."""
    cur.execute(
        "INSERT INTO maasserver_regionrackrpcconnection (process_id, rack_controller_id)"
        " SELECT %s, id FROM maasserver_node WHERE system_id = %s ON CONFLICT DO NOTHING",
        (process, rack),
    )
    update_rack(cur, rack)


def disconnected(cur: Cursor, process: int, rack: str) -> None:
    """The last connection between this process and the rack closed; another one may manage the rack from now."""
    cur.execute(
        "DELETE FROM maasserver_regionrackrpcconnection c USING maasserver_node n"
        " WHERE n.id = c.rack_controller_id AND n.system_id = %s AND c.process_id = %s",
        (rack, process),
    )
    cur.execute(
        "UPDATE maasserver_node SET managing_process_id = NULL WHERE system_id = %s AND managing_process_id = %s",
        (rack, process),
    )
    update_rack(cur, rack)


def take_over(cur: Cursor, process: int, racks: Collection[str]) -> list[str]:
    """Become the manager of those connected racks that have none."""
    cur.execute(
        "UPDATE maasserver_node SET managing_process_id = %s"
        " WHERE system_id = ANY(%s) AND managing_process_id IS NULL RETURNING system_id",
        (process, list(racks)),
    )
    return [str(r["system_id"]) for r in cur.fetchall()]


def release(cur: Cursor, process: int, connected: Collection[str]) -> None:
    """Stop being the manager of racks that aren't connected, so that another process may be."""
    cur.execute(
        "UPDATE maasserver_node SET managing_process_id = NULL WHERE managing_process_id = %s AND system_id <> ALL(%s)",
        (process, list(connected)),
    )


def manages(cur: Cursor, process: int, rack_id: int) -> str | None:
    """The system_id of the rack with that row id, if this process manages it."""
    cur.execute("SELECT system_id FROM maasserver_node WHERE id = %s AND managing_process_id = %s", (rack_id, process))
    row = cur.fetchone()
    return None if row is None else str(row["system_id"])


def managed(cur: Cursor, process: int) -> list[str]:
    """The racks that this process manages."""
    cur.execute("SELECT system_id FROM maasserver_node WHERE managing_process_id = %s", (process,))
    return [str(r["system_id"]) for r in cur.fetchall()]


def update_all_racks(cur: Cursor) -> None:
    """After a change to the set of processes."""
    cur.execute("SELECT system_id FROM maasserver_node WHERE node_type IN (2, 4)")
    for row in cur.fetchall():
        update_rack(cur, row["system_id"])


RACK_CONNECTIONS = """
WITH processes AS (SELECT id, region_id FROM maasserver_regioncontrollerprocess),
     mine AS (SELECT DISTINCT c.process_id FROM maasserver_regionrackrpcconnection c
              JOIN maasserver_node n ON n.id = c.rack_controller_id WHERE n.system_id = %s)
SELECT (SELECT count(*) FROM processes) AS all_processes, (SELECT count(*) FROM mine) AS mine,
       (SELECT count(DISTINCT region_id) FROM processes) AS live,
       (SELECT count(*) FROM maasserver_node WHERE node_type IN (3, 4)) AS regions
"""


def update_rack(cur: Cursor, rack: str) -> None:
    """rackd is `running` only if connected to every process of every region; a dead region counts (maas-facts §5)."""
    # Of two transactions that judge the same rack one must run again, or each would miss what the other wrote.
    cur.execute("UPDATE maasserver_node SET updated = clock_timestamp() WHERE system_id = %s", (rack,))
    cur.execute(RACK_CONNECTIONS, (rack,))
    row = one(cur)
    if row["mine"] == 0:
        _set_service(cur, rack, "rackd", "dead", "Unable to connect to any region controller.")
        cur.execute(
            "UPDATE maasserver_service s SET status = 'unknown', status_info = '' FROM maasserver_node n"
            " WHERE n.id = s.node_id AND n.system_id = %s AND s.name = ANY(%s)",
            (rack, ["tftp", "http", "dhcpd", "dhcpd6", "ntp_rack", "proxy_rack", "syslog_rack", "dns_rack", "agent"]),
        )
        return
    # A region without processes counts as one of average size.
    expected = row["all_processes"] * row["regions"] / max(row["live"], 1)
    if row["mine"] >= expected:
        _set_service(cur, rack, "rackd", "running", "")
    else:
        percent = int(100 * row["mine"] / expected)
        _set_service(cur, rack, "rackd", "degraded", f"{percent}% connected to region controllers.")


def set_services(cur: Cursor, rack: str, services: Sequence[tuple[str, str, str]]) -> None:
    """What the rack reports of its own services: name, status, status_info."""
    for name, status, info in services:
        _set_service(cur, rack, name, status, info)


def _set_service(cur: Cursor, rack: str, name: str, status: str, info: str) -> None:
    cur.execute(
        "UPDATE maasserver_service s SET status = %s, status_info = %s FROM maasserver_node n WHERE n.id = s.node_id"
        " AND n.system_id = %s AND s.name = %s AND (s.status, s.status_info) IS DISTINCT FROM (%s, %s)",
        (status, info, rack, name, status, info),
    )


def event_loops(cur: Cursor) -> EventLoops:
    """All processes of all regions; an address that two regions have is left out (maas-facts §4.2, §4.3)."""
    cur.execute(
        "SELECT n.hostname || ':pid=' || p.pid AS name, host(e.address) AS address, e.port, p.region_id"
        " FROM maasserver_regioncontrollerprocess p JOIN maasserver_node n ON n.id = p.region_id"
        " JOIN maasserver_regioncontrollerprocessendpoint e ON e.process_id = p.id ORDER BY p.id, e.id"
    )
    rows = cur.fetchall()
    owners: dict[str, set[int]] = {}
    for row in rows:
        owners.setdefault(row["address"], set()).add(row["region_id"])
    loops: EventLoops = {}
    for row in rows:
        loops.setdefault(row["name"], [])
        if len(owners[row["address"]]) == 1:
            loops[row["name"]].append((row["address"], row["port"]))
    return loops
