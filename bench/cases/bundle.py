"""A bundle that a host has applied before."""

from __future__ import annotations

from bench.goals import Goal
from bench.measure import Measured
from bench.unchanged import COMMANDS, on_host


def goals(measured: Measured) -> list[Goal]:
    slowest = max(COMMANDS, key=lambda host: measured[on_host(host)].median)
    each = ", ".join(f"{host} {measured[on_host(host)].median:.0f} ms" for host in COMMANDS)
    connections = max(max(measured[f"unchanged bundle, SSH connections, {host}"].values) for host in COMMANDS)
    return [
        Goal(
            f"an unchanged bundle, on the slowest host ({slowest})",
            measured[on_host(slowest)].median,
            "ms",
            150,
            note=each,
        ),
        Goal("SSH connections for an unchanged bundle", connections, "", 1),
    ]
