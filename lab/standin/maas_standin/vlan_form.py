"""The rules of a VLAN update (maas-facts §5 and §0a, row 5)."""

from dataclasses import dataclass, replace

from .db import Cursor, Row, one
from .web import Fields, invalid

RANGE_FIRST = "dhcp can only be turned on when a dynamic IP range is defined."
RACK_FIRST = "dhcp can only be turned on when a primary rack controller is set."
MUST_DIFFER = "The primary and secondary rack must be different"
PRIMARY_DOWN = (
    "The primary rack controller must be up and running to set a secondary rack controller. Without the primary the"
    " secondary DHCP service will not be able to synchronize, preventing it from responding to DHCP requests."
)
NO_CHOICE = "Select a valid choice. {} is not one of the available choices."
# The next two are this stand-in's own words; maas-facts has the rules without the texts.
NO_RELAY_WITH_DHCP = "'relay_vlan' cannot be set when dhcp is on."
NOT_A_NUMBER = "Enter a whole number."

LARGEST_MTU, SMALLEST_MTU = 65535, 552


@dataclass(frozen=True)
class Racks:
    """Node row ids."""

    primary: int | None
    secondary: int | None


def update(cur: Cursor, vlan: Row, form: Fields) -> None:
    """Apply a PUT; fields that are missing keep their values. Raises ApiError, 400, with nothing changed."""
    before = Racks(vlan["primary_rack_id"], vlan["secondary_rack_id"])
    wanted = Racks(
        _rack(cur, vlan, form, "primary_rack", before.primary),
        _rack(cur, vlan, form, "secondary_rack", before.secondary),
    )
    dhcp_on = _boolean(form.get("dhcp_on"), vlan["dhcp_on"])
    if dhcp_on and not _has_dynamic_range(cur, vlan["id"]):
        # Its own key, and before anything about racks.
        raise invalid({"dhcp_on": [RANGE_FIRST]})
    racks = _promoted(before, wanted)
    _check_secondary(cur, before, racks)
    if dhcp_on and racks.primary is None:
        raise invalid({"__all__": [RACK_FIRST]})
    relay = _relay(cur, vlan, form, dhcp_on)
    cur.execute(
        "UPDATE maasserver_vlan SET primary_rack_id = %s, secondary_rack_id = %s, dhcp_on = %s, relay_vlan_id = %s,"
        " name = %s, description = %s, mtu = %s WHERE id = %s",
        (
            racks.primary,
            racks.secondary,
            dhcp_on,
            relay,
            form.get("name") or vlan["name"],
            form.get("description", vlan["description"]),
            _mtu(form, vlan["mtu"]),
            vlan["id"],
        ),
    )


def _rack(cur: Cursor, vlan: Row, form: Fields, field: str, current: int | None) -> int | None:
    """By system_id or short hostname, never by FQDN; any rack with an interface on that VID *number* will do."""
    if field not in form:
        return current
    given = form[field]
    if given == "":
        return None
    cur.execute(
        "SELECT n.id FROM maasserver_node n WHERE n.node_type IN (2, 4) AND (n.system_id = %s OR n.hostname = %s)"
        " AND EXISTS (SELECT 1 FROM maasserver_interface i JOIN maasserver_vlan v ON v.id = i.vlan_id"
        " WHERE i.node_id = n.id AND v.vid = %s)",
        (given, given, vlan["vid"]),
    )
    row = cur.fetchone()
    if row is None:
        raise invalid({field: [NO_CHOICE.format(given)]})
    return int(row["id"])


def _promoted(before: Racks, wanted: Racks) -> Racks:
    """What MAAS makes of a request without a word.

    Clearing the primary promotes the secondary. A primary that was the secondary clears the secondary, whatever the
    same request asks for: a swap in one PUT answers 200 and loses a rack.
    """
    if wanted.primary is None and before.secondary is not None and wanted.secondary == before.secondary:
        return Racks(before.secondary, None)
    if wanted.primary is not None and wanted.primary == before.secondary and wanted.primary != before.primary:
        return replace(wanted, secondary=None)
    return wanted


def _check_secondary(cur: Cursor, before: Racks, racks: Racks) -> None:
    if racks.secondary is None or racks == before:
        return
    if racks.secondary == racks.primary:
        if racks.primary == before.primary:
            cur.execute("SELECT system_id FROM maasserver_node WHERE id = %s", (racks.primary,))
            row = one(cur)
            text = f"{row['system_id']} is already set as the primary rack controller"
            raise invalid({"secondary_rack": [text]})
        raise invalid({"__all__": [MUST_DIFFER]})
    if racks.secondary != before.secondary and racks.primary is not None and _is_dead(cur, racks.primary):
        raise invalid({"secondary_rack": [PRIMARY_DOWN]})


def _is_dead(cur: Cursor, node: int) -> bool:
    cur.execute("SELECT status FROM maasserver_service WHERE node_id = %s AND name = 'rackd'", (node,))
    row = cur.fetchone()
    return row is not None and row["status"] == "dead"


def _has_dynamic_range(cur: Cursor, vlan: int) -> bool:
    cur.execute(
        "SELECT 1 FROM maasserver_iprange r JOIN maasserver_subnet s ON s.id = r.subnet_id"
        " WHERE s.vlan_id = %s AND r.type = 'dynamic' LIMIT 1",
        (vlan,),
    )
    return cur.fetchone() is not None


def _relay(cur: Cursor, vlan: Row, form: Fields, dhcp_on: bool) -> int | None:
    """A VLAN's id, only while DHCP is off; turning DHCP on clears it."""
    given = form.get("relay_vlan")
    if dhcp_on:
        if given:
            raise invalid({"relay_vlan": [NO_RELAY_WITH_DHCP]})
        return None
    if given is None:
        current: int | None = vlan["relay_vlan_id"]
        return current
    if given == "":
        return None
    cur.execute("SELECT id FROM maasserver_vlan WHERE id::text = %s AND id <> %s", (given, vlan["id"]))
    row = cur.fetchone()
    if row is None:
        raise invalid({"relay_vlan": ["Select a valid choice. That choice is not one of the available choices."]})
    return int(row["id"])


def _mtu(form: Fields, current: int) -> int:
    text = form.get("mtu")
    if not text:
        return current
    if not text.isdigit() or not SMALLEST_MTU <= int(text) <= LARGEST_MTU:
        raise invalid({"mtu": [NOT_A_NUMBER]})
    return int(text)


def _boolean(text: str | None, current: bool) -> bool:
    if text is None or text == "":
        return current
    return text.lower() not in ("false", "0", "off", "no")
