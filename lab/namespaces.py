"""Namespaces in which the lab mounts and runs things, so that the machine keeps no trace of them."""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"

PRIVATE = (
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
    "--",
)
"""Mounts and processes of the command's own: when it ends, however that comes, the kernel ends and unmounts them."""

BOUND_TO_PARENT = ("setpriv", "--pdeathsig", "KILL")
"""The command ends with the process that started it, also on SIGKILL."""
