"""A cgroup for each host in every hierarchy that systemd uses, so that hosts don't share one tree of units."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from lab.errors import LabError


def host_cgroups(machine: str) -> list[Path]:
    """The cgroup folders of a host: cgroup v2, and on a hybrid machine systemd's own v1 hierarchy too."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(before.split()[4]) / machine)
    return found


def clear_cgroups(machine: str, timeout: float = 10.0) -> None:
    """End whatever is left in a host's cgroups and remove them. Raises LabError where the kernel doesn't let go."""
    deadline = time.monotonic() + timeout
    for top in host_cgroups(machine):
        while top.exists():
            for pid in _members(top):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if _remove_tree(top):
                break
            if time.monotonic() > deadline:
                raise LabError(f"the cgroup {top} stays busy; look at the processes in its cgroup.procs files")
            time.sleep(0.01)  # cgroup.events is of v2 alone


def _members(top: Path) -> list[int]:
    members: list[int] = []
    for folder, _, _ in os.walk(top):
        with contextlib.suppress(FileNotFoundError):
            members += [int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split()]
    return [pid for pid in members if pid > 0]


def _remove_tree(top: Path) -> bool:
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)  # noqa: PTH106
        except FileNotFoundError:
            continue
        except OSError:  # EBUSY: its last process is still on its way out
            return False
    return True
