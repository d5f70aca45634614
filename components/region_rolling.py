"""What a region's host has so that a restart is noticed by nobody: its word to the balancers, and time to stop."""

from __future__ import annotations

from pathlib import Path

from agent import drain, drain_responder
from agent.bundle import Effect, File
from components.render import render
from config.ports import DRAIN_PORT

UNIT = drain.UNIT

PROGRAM = "/usr/local/lib/maas-ha/drain-responder"

STOP_SECONDS = 300
"""regiond was seen to need 117 s to stop, and systemd's own patience ends at 90 s (maas-facts §0a); the agent's 330 s
for one systemctl call are longer. A regiond that is killed stays listed for up to 150 s."""


def files(address: str, regiond: str) -> tuple[File, ...]:
    """For the region at `address`, whose regiond is the unit `regiond`."""
    unit = render("maas-ha-drain.service", program=PROGRAM, address=address, port=DRAIN_PORT, lock=drain.LOCK)
    program = Path(drain_responder.__file__).read_text(encoding="utf-8")
    return (
        File(PROGRAM, program, effect=Effect.RESTART, units=(UNIT,)),
        File(f"/etc/systemd/system/{UNIT}", unit, effect=Effect.RESTART, units=(UNIT,)),
        File(f"/etc/systemd/system/{regiond}.d/maas-ha-stop.conf", f"[Service]\nTimeoutStopSec={STOP_SECONDS}\n"),
    )
