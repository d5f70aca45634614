"""`maas-ha check` for a cluster of 200 hosts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from bench.goals import Goal
from bench.measure import Measured, interleaved
from bench.processes import run
from tests.contract import topologies
from toolchain.environment import environment

HOSTS, REGIONS = 200, 3
CHECK, PYTHON = f"maas-ha check, {HOSTS} hosts", "python that does nothing"


def measure(repeats: int) -> Measured:
    measured = Measured()
    settings = {**os.environ, **environment()}
    with tempfile.TemporaryDirectory(prefix="maas-ha-bench-") as name:
        folder = Path(name)
        racks = HOSTS - REGIONS - 2
        cluster = topologies.cluster(folder, regions=REGIONS, racks=racks, pairs=racks * 9 // 20)
        (folder / "Pulumi.many.yaml").write_text(yaml.safe_dump({"config": {"maas-ha:cluster": cluster}}))

        def check(_: int) -> Mapping[str, tuple[float, str]]:
            return {CHECK: (run(["maas-ha", "check", "many"], folder, settings).seconds, "s")}

        def nothing(_: int) -> Mapping[str, tuple[float, str]]:
            return {PYTHON: (run(["python", "-c", ""], folder, settings).seconds, "s")}

        interleaved({CHECK: check, PYTHON: nothing}, repeats, measured)
    return measured


def goals(measured: Measured) -> list[Goal]:
    note = f"of them {measured[PYTHON].median * 1000:.0f} ms for Python itself"
    return [Goal(CHECK, measured[CHECK].median, "s", 0.5, note=note)]
