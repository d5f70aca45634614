"""The region's side of power: which rack is asked, and what becomes of its answer (maas-facts §12.8)."""

import logging
import random
from http import HTTPStatus
from typing import Protocol

from . import rpc, version
from .db import Cursor, Row
from .web import ApiError, refuse

log = logging.getLogger("maasserver.power")

TRIES_OTHERS = (3, 7)
"""From this version on another rack is asked when the first one is off (maas-facts §12.8: fixed in 3.7.0)."""
IN_SUBNET = """
SELECT DISTINCT n.system_id FROM maasserver_node n JOIN maasserver_interface i ON i.node_id = n.id
JOIN maasserver_staticipaddress a ON a.interface_id = i.id JOIN maasserver_subnet s ON s.id = a.subnet_id
WHERE n.node_type IN (2, 4) AND %s::inet <<= s.cidr ORDER BY n.system_id
"""


class Racks(Protocol):
    """The racks that are connected to this process."""

    def connected(self) -> list[str]:
        """Their system_ids."""

    def ask(self, rack: str, command: str, args: rpc.Arguments) -> rpc.Answer:
        """The answer of one of them, within `power_wait_s`.

        Raises rpc.ConnectionLostError, rpc.RemoteError or TimeoutError.
        """


def act(cur: Cursor, racks: Racks, machine: Row, command: str) -> str:
    """Let a rack do `command` to the machine's BMC; the power state. Raises ApiError."""
    known = machine["power_parameters"]
    args = {
        "system_id": machine["system_id"],
        "hostname": machine["hostname"],
        "address": known["power_address"],
        "user": known["power_user"],
        "password": known["power_pass"],
    }
    chosen = candidates(cur, known["power_address"], racks.connected())
    failure = refuse(
        HTTPStatus.SERVICE_UNAVAILABLE, f"No rack controllers can access the BMC of node: {machine['hostname']}"
    )
    for rack in chosen if version.MINOR >= TRIES_OTHERS else chosen[:1]:
        try:
            return str(racks.ask(rack, command, args)["state"])
        except (rpc.ConnectionLostError, TimeoutError):
            text = f"Unable to connect to rack controller {_hostname(cur, rack)} ({rack}); no connections available."
            failure = refuse(HTTPStatus.SERVICE_UNAVAILABLE, text)
        except rpc.RemoteError as error:
            failure = _failed(command, machine, str(error))
        log.error("%s of %s by rack controller %s: %s", command, machine["hostname"], rack, failure)
    raise failure


def candidates(cur: Cursor, address: str, connected: list[str]) -> list[str]:
    """Racks to ask, in random order: those with an address in the BMC's subnet, else any, for a route may lead there.

    A rack that died without a word stays connected until its pings fail, and may be chosen (maas-facts §12.8).
    """
    cur.execute(IN_SUBNET, (address,))
    near = {str(row["system_id"]) for row in cur.fetchall()}
    usable = [rack for rack in connected if rack in near] or list(connected)
    random.shuffle(usable)
    return usable


def _hostname(cur: Cursor, rack: str) -> str:
    cur.execute("SELECT hostname FROM maasserver_node WHERE system_id = %s", (rack,))
    row = cur.fetchone()
    return str(row["hostname"]) if row else "?"


def _failed(command: str, machine: Row, error: str) -> ApiError:
    what = {"PowerOn": "Power on", "PowerOff": "Power off", "PowerQuery": "Power query"}[command]
    said = error.removeprefix("PowerError: ")
    text = f"{what} for the node failed: Failed talking to node's BMC: {said}"
    return refuse(HTTPStatus.SERVICE_UNAVAILABLE, text)
