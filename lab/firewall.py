"""Lets hosts reach each other where the machine's firewall sees bridged packets (as Docker sets it up)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab.errors import LabError

_BRIDGED_PACKETS_ARE_FILTERED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def allow_within(bridge: str) -> None:
    """Accept what goes from the bridge to itself, unless nothing stops it. Raises LabError where iptables refuses."""
    if not _filtered() or _iptables("--check", bridge).returncode == 0:
        return
    added = _iptables("--insert", bridge)
    if added.returncode != 0:
        raise LabError(f"the firewall can't be told to let the lab's hosts talk: {added.stderr.strip()}")


def forget(bridge: str) -> None:
    """Take the rule away again, as often as it is there."""
    while _filtered() and _iptables("--delete", bridge).returncode == 0:
        continue


def _filtered() -> bool:
    try:
        filtered = _BRIDGED_PACKETS_ARE_FILTERED.read_text().strip() == "1"
    except FileNotFoundError:
        return False
    return filtered and shutil.which("iptables") is not None


def _iptables(action: str, bridge: str) -> subprocess.CompletedProcess[str]:
    rule = ["FORWARD", "--in-interface", bridge, "--out-interface", bridge, "--jump", "ACCEPT"]
    return subprocess.run(["iptables", "--wait", action, *rule], capture_output=True, text=True, check=False)
