"""Stands for systemctl on a host of the tests: knows maas-dhcpd, which it really runs, and notes all other calls.

Run as `systemctl VERB UNIT` with MAAS_ROOT in the environment.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["MAAS_ROOT"]) / "var/lib/maas"
PID = STATE / "dhcpd.pid"
LEASES = STATE / "dhcpd.leases"


def alive() -> bool:
    """Whether our dhcpd runs."""
    try:
        os.kill(int(PID.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def stop() -> None:
    """End it and wait."""
    if alive():
        os.kill(int(PID.read_text()), signal.SIGTERM)
    while alive():
        time.sleep(0.05)


def start() -> None:
    """Run the real dhcpd as MAAS's unit does (maas-facts §0a, row 6), apart from the user."""
    LEASES.touch()
    interfaces = (STATE / "dhcpd-interfaces").read_text().split()
    command = ["dhcpd", "-f", "-q", "-4", "-pf", str(PID), "-cf", str(STATE / "dhcpd.conf"), "-lf", str(LEASES)]
    with (STATE / "dhcpd.log").open("ab") as log:
        subprocess.Popen([*command, *interfaces], stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 10
    while not alive() and time.monotonic() < deadline:
        time.sleep(0.05)


def main(verb: str, unit: str) -> int:
    """The exit code."""
    if verb != "is-active":
        with (STATE / "systemctl.log").open("a") as log:
            log.write(f"{verb} {unit}\n")
    if unit != "maas-dhcpd":
        return 0
    if verb == "is-active":
        sys.stdout.write("active" if alive() else "inactive")
        return 0
    if verb in ("stop", "restart"):
        stop()
    if verb in ("start", "restart"):
        start()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
