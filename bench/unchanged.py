"""The agent, given a bundle that it has applied before."""

from __future__ import annotations

import re
import subprocess
import time

from bench.measure import Measured
from bench.processes import CommandError
from bench.stage import Project, Stage

COMMANDS = {
    "db1": "db1-postgres-apply",
    "lb1": "lb1-haproxy-apply",
    "region1": "region1-region-apply",
    "region2": "region2-region-apply",
    "rack1": "rack1-rack-apply",
    "rack2": "rack2-rack-apply",
}
"""Host → the command whose bundle it is given."""
CLOCK = (
    "a=$(date +%s%N); timeout 600 /usr/local/sbin/maas-ha-agent apply >/dev/null 2>/dev/null; "
    'code=$?; b=$(date +%s%N); echo "took $((b - a)) $code"'
)
TIMES = 3


def on_host(host: str) -> str:
    return f"unchanged bundle, on the host, {host}"


def measure(stage: Stage, project: Project, measured: Measured) -> None:
    """Each host's bundle some times over, by one SSH connection each. Raises CommandError."""
    for host, command in COMMANDS.items():
        bundle = project.deployment.bundle(command).strip().rpartition("\n")[2]
        for _ in range(TIMES):
            before, began = stage.connections()[host], time.perf_counter()
            argv = stage.lab.ssh_argv(host, f"exec sudo -n sh -c '{CLOCK}'")
            done = subprocess.run(argv, input=f"{bundle}\n", capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - began
            took = re.search(r"took (\d+) 0$", done.stdout.strip())
            if not took:
                raise CommandError(f"{host} did not apply its bundle again: {done.stdout}{done.stderr}"[:500])
            measured.add(on_host(host), int(took[1]) / 1e6, "ms")
            measured.add(f"unchanged bundle, SSH included, {host}", seconds * 1000, "ms")
            measured.add(f"unchanged bundle, SSH connections, {host}", stage.connections()[host] - before, "")
