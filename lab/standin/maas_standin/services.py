"""The systemd units that the daemons themselves start and stop, through sudo (maas-facts §10)."""

import logging
import subprocess
from collections.abc import Sequence

from . import region_http, version
from .knobs import Knobs
from .region import Host

log = logging.getLogger("provisioningserver.service_monitor")

DHCPD_UNIT = "maas-dhcpd"
RACK_UNIT = "maas-rackd"
TIMEOUT_S = 90.0


def region_units() -> list[str]:
    """What regiond starts; nothing but `register` ever enables a unit (maas-facts §0a, row 10)."""
    units = ["bind9", "chrony", "maas-syslog", "maas-http", "maas-proxy"]
    if version.MINOR >= (3, 5):
        units += ["maas-temporal", "maas-temporal-worker"]
    return units


def start_region_units(host: Host) -> None:
    """Start them; one that can't be started is logged and left."""
    for unit in region_units():
        systemctl(host.knobs, "start", unit)


def reload_front(host: Host) -> None:
    """Have nginx read its configuration again: reloaded, but in the snap restarted (maas-facts §8)."""
    systemctl(host.knobs, "restart" if host.paths.snap else "reload", region_http.UNIT)


def systemctl(knobs: Knobs, *args: str) -> bool:
    """Whether `systemctl ARGS` succeeded; a failure is logged."""
    command: Sequence[str] = [*knobs.systemctl.split(), *args]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("Service command %s failed: %s", " ".join(args), error)
        return False
    if done.returncode:
        log.error("Service command %s failed: %s", " ".join(args), done.stderr.strip())
    return done.returncode == 0


def state(knobs: Knobs, unit: str) -> str:
    """What systemd calls the unit's state, such as `active`; "" where it says nothing.

    Asking needs no rights, hence no sudo.
    """
    command = [knobs.systemctl.split()[-1], "is-active", unit]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
