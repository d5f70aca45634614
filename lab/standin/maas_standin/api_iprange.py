"""Reserved and dynamic IP ranges."""

import ipaddress
from dataclasses import dataclass

from . import api_subnet
from .api_resource import Action, Call, Resource, delete, read, update
from .db import Cursor, Row, one
from .web import NO_CONTENT, Fields, Response, invalid, not_found

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CONFLICT = "Requested {} range conflicts with an existing IP address or range."
REQUIRED = "This field is required."
RANGE_QUERY = "SELECT *, host(start_ip) AS first, host(end_ip) AS last FROM maasserver_iprange"


@dataclass(frozen=True)
class Wanted:
    """A range to create, its form checked."""

    kind: str
    first: Address
    last: Address
    subnet: Row
    comment: str


def _show(cur: Cursor, row: Row) -> dict[str, object]:
    subnet = api_subnet.find(cur, str(row["subnet_id"]))
    cur.execute("SELECT username FROM auth_user WHERE id = %s", (row["user_id"],))
    user = cur.fetchone()
    return {
        "id": row["id"],
        "type": row["type"],
        "start_ip": row["first"],
        "end_ip": row["last"],
        "subnet": None if subnet is None else api_subnet.show(cur, subnet),
        "user": None if user is None else {"username": user["username"]},
        "comment": row["comment"],
        "resource_uri": f"/MAAS/api/2.0/ipranges/{row['id']}/",
    }


def _read_all(call: Call) -> Response:
    call.cur.execute(f"{RANGE_QUERY} ORDER BY id")
    return Response.json([_show(call.cur, row) for row in call.cur.fetchall()])


def _range(call: Call) -> Row:
    call.cur.execute(f"{RANGE_QUERY} WHERE id::text = %s", (call.arguments["id"],))
    row: Row | None = call.cur.fetchone()
    if row is None:
        raise not_found()
    return row


def _read_one(call: Call) -> Response:
    return Response.json(_show(call.cur, _range(call)))


def _delete(call: Call) -> Response:
    call.cur.execute("DELETE FROM maasserver_iprange WHERE id = %s", (_range(call)["id"],))
    return NO_CONTENT


def _create(call: Call) -> Response:
    """Answers 200, not 201; the same again conflicts with itself (maas-facts §0a row 5, §5)."""
    wanted = _checked(call.cur, call.request.form)
    if _conflicts(call.cur, wanted):
        text = CONFLICT.format(wanted.kind)
        raise invalid({"start_ip": [text], "end_ip": [text]})
    call.cur.execute(
        "INSERT INTO maasserver_iprange (type, start_ip, end_ip, subnet_id, user_id, comment)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING *, host(start_ip) AS first, host(end_ip) AS last",
        (
            wanted.kind,
            str(wanted.first),
            str(wanted.last),
            wanted.subnet["id"],
            call.user.id if call.user else None,
            wanted.comment,
        ),
    )
    return Response.json(_show(call.cur, one(call.cur)))


def _update(call: Call) -> Response:
    """Fields that are missing keep their values; a range doesn't conflict with itself."""
    known = _range(call)
    given = {name: value for name, value in call.request.form.items() if value}
    before = {"type": known["type"], "start_ip": known["first"], "end_ip": known["last"], "comment": known["comment"]}
    wanted = _checked(call.cur, {**before, "subnet": str(known["subnet_id"]), **given})
    if _conflicts(call.cur, wanted, but=known["id"]):
        text = CONFLICT.format(wanted.kind)
        raise invalid({"start_ip": [text], "end_ip": [text]})
    call.cur.execute(
        "UPDATE maasserver_iprange SET start_ip = %s, end_ip = %s, comment = %s WHERE id = %s",
        (str(wanted.first), str(wanted.last), wanted.comment, known["id"]),
    )
    return Response.json(_show(call.cur, _range(call)))


def _checked(cur: Cursor, form: Fields) -> Wanted:
    missing = [name for name in ("type", "start_ip", "end_ip") if not form.get(name)]
    if missing:
        raise invalid({name: [REQUIRED] for name in missing})
    if form["type"] not in ("dynamic", "reserved"):
        raise invalid({"type": [f"Select a valid choice. {form['type']} is not one of the available choices."]})
    first, last = _address(form, "start_ip"), _address(form, "end_ip")
    subnet = api_subnet.find(cur, form["subnet"]) if form.get("subnet") else _containing(cur, first)
    if subnet is None:
        raise invalid({"subnet": [REQUIRED]})
    network = ipaddress.ip_network(subnet["network"])
    if first not in network or last not in network:
        raise invalid({"__all__": [f"IP addresses must be within subnet: {network}."]})
    if int(last) < int(first):
        raise invalid({"end_ip": ["End IP address must not be less than Start IP address."]})
    return Wanted(form["type"], first, last, subnet, form.get("comment", ""))


def _address(form: Fields, field: str) -> Address:
    try:
        return ipaddress.ip_address(form[field])
    except ValueError:
        raise invalid({field: ["Enter a valid IPv4 or IPv6 address."]}) from None


def _containing(cur: Cursor, address: Address) -> Row | None:
    cur.execute(
        f"{api_subnet.SUBNET_QUERY} WHERE %s::inet <<= cidr ORDER BY masklen(cidr) DESC LIMIT 1", (str(address),)
    )
    row: Row | None = cur.fetchone()
    return row


def _conflicts(cur: Cursor, wanted: Wanted, but: int = 0) -> bool:
    """With any range of the subnet `but` one; a dynamic one also with addresses in use and the gateway."""
    limits = {"first": str(wanted.first), "last": str(wanted.last), "subnet": wanted.subnet["id"], "but": but}
    cur.execute(
        "SELECT 1 FROM maasserver_iprange WHERE subnet_id = %(subnet)s AND id <> %(but)s"
        " AND start_ip <= %(last)s::inet AND end_ip >= %(first)s::inet LIMIT 1",
        limits,
    )
    if cur.fetchone() is not None:
        return True
    if wanted.kind == "reserved":
        return False
    cur.execute(
        "SELECT 1 FROM (SELECT host(ip)::inet AS ip FROM maasserver_staticipaddress WHERE subnet_id = %(subnet)s"
        " UNION SELECT host(gateway_ip)::inet FROM maasserver_subnet WHERE id = %(subnet)s) used"
        " WHERE ip BETWEEN %(first)s::inet AND %(last)s::inet LIMIT 1",
        limits,
    )
    return cur.fetchone() is not None


RESOURCES = (
    Resource("IPRangesHandler", "ipranges/", (read(_read_all), Action("create", "POST", _create))),
    Resource("IPRangeHandler", "ipranges/{id}/", (read(_read_one), update(_update), delete(_delete))),
)
