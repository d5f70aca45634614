"""The stand-in's time scale and switches, read from /etc/maas/standin.conf.

The defaults keep MAAS's orderings (refresh < expiry, unknown before known, silent before dead) at a tenth or less of
its times, so that a lab's tests stay quick. The table in lab/standin/README.md lists MAAS's own times.
"""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Knobs:
    """All durations in seconds."""

    hold: str = "idle"
    """Connections each regiond process holds: `idle` as MAAS holds them, or `full` = ten (maas-facts §7)."""
    migrate_s: float = 2.0
    """A schema migration on an empty database."""
    views_gone_s: float = 0.3
    """How long every `dbupgrade` leaves the database without views and triggers."""
    region_start_s: float = 1.0
    """From the region's registration to its workers' start."""
    region_stop_s: float = 0.2
    """From SIGTERM to the exit of regiond."""
    retry_s: float = 1.0
    """Between two tries of a regiond that can't start."""
    process_refresh_s: float = 10.0
    """Between two refreshes of a process's row."""
    process_expire_s: float = 15.0
    """Age at which a process's row counts as dead."""
    manage_s: float = 1.0
    """Between two looks for racks that no process manages."""
    listener_retry_s: float = 1.0
    """Between two tries to LISTEN again."""
    rack_poll_fast_s: float = 1.0
    """rackd's poll without a connection, or just started."""
    rack_poll_partial_s: float = 1.5
    """rackd's poll while some event-loop is missing."""
    rack_poll_full_s: float = 3.0
    """rackd's poll when connected to all."""
    rack_settle_s: float = 3.0
    """How long a started rackd polls fast whatever it is connected to."""
    rack_http_timeout_s: float = 5.0
    """For one GET of /MAAS/rpc/."""
    rack_stop_s: float = 0.2
    """From SIGTERM to the exit of rackd."""
    ping_s: float = 5.0
    """Between two pings of a connection."""
    ping_timeout_s: float = 5.0
    """After which an unanswered ping closes the connection."""
    secret_wait_s: float = 30.0
    """How long rackd waits silently for its secret before it gives up for ever."""
    services_unknown_s: float = 1.5
    """From registration to the first report of the rack's services."""
    services_s: float = 2.0
    """Between two reports."""
    dhcp_first_s: float = 1.5
    """From a rack's first DHCP configuration to its dhcpd's start."""
    dhcp_change_s: float = 0.3
    """From a later change to dhcpd's restart."""
    power_wait_s: float = 8.0
    """How long a region waits for a rack that was told to switch a machine."""
    ipmi_timeout_s: float = 4.0
    """How long a rack waits for a BMC."""
    ipmipower: str = "/usr/sbin/ipmipower"
    """FreeIPMI's client, blank-separated."""
    systemctl: str = field(default_factory=lambda: os.environ.get("MAAS_SYSTEMCTL", "sudo -n systemctl"))
    """The command, blank-separated, by which daemons control units; the snap's supervisor names its own."""

    def held(self, full: int, idle: int) -> int:
        """Connections to keep open in a pool."""
        return full if self.hold == "full" else idle


def read(path: Path) -> Knobs:
    """The knobs of `path`; defaults without the file. Raises ValueError for an unknown name or value."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Knobs()
    given = yaml.safe_load(text) or {}
    known = {f.name: type(getattr(Knobs(), f.name)) for f in fields(Knobs)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{path}: unknown knob {name}")
        if known[name] is str and not isinstance(value, str):
            raise ValueError(f"{path}: {name} must be text")
        if known[name] is float and not isinstance(value, (int, float)):
            raise ValueError(f"{path}: {name} must be a number of seconds")
    knobs = Knobs(**given)
    if knobs.hold not in ("idle", "full"):
        raise ValueError(f"{path}: hold is either idle or full")
    return knobs
