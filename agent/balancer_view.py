"""What one balancer thinks of the regions behind it: HAProxy's statistics, which it shows to regions alone."""

from __future__ import annotations

import csv
import http.client
from dataclasses import dataclass

from agent.errors import StepError

TIMEOUT = 5.0
"""Seconds for one answer."""
LONG_LIVED = ("maas-5271", "maas-5242")
"""Routes of racks' agents to Temporal and the internal API: their connections last as long as the region (§8)."""


@dataclass(frozen=True)
class Server:
    """A region on one route of a balancer."""

    route: str
    region: str
    status: str
    """HAProxy's words: `UP`, `DRAIN (agent)`, `DOWN 1/2` …"""
    sessions: int
    """Connections through it now."""

    @property
    def takes_new(self) -> bool:
        """True if new connections go there."""
        return self.status.startswith("UP")


def view(address: str, port: int) -> list[Server]:
    """Every region on every route. Raises `OSError` if there is no answer, `StepError` if it is another one."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/;csv")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"no answer in HTTP: {error!r}") from None
    finally:
        connection.close()
    if answer.status != http.client.OK or not text.startswith("# pxname,"):
        raise StepError(f"the balancer at {address} doesn't show its regions on port {port}: status {answer.status}")
    rows = csv.DictReader(text.removeprefix("# ").splitlines())
    return [
        Server(row["pxname"], row["svname"], row["status"], int(row["scur"] or 0))
        for row in rows
        if row["pxname"].startswith("maas-") and row["svname"] not in ("FRONTEND", "BACKEND")
    ]
