"""bench/results.json: every measurement of every case, and what they were made on."""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from bench.goals import Goal
from bench.measure import Measured, Series
from toolchain.checkout import Checkout

PROJECT = Path(__file__).parents[1]
FILE = Path(__file__).with_name("results.json")

Results = dict[str, dict[str, object]]
"""Case → what was found."""


def load(file: Path = FILE) -> Results:
    return cast("Results", json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def measured_in(found: Mapping[str, object]) -> Measured:
    """The measurements of one case, as they were made."""
    measured = Measured()
    for name, one in cast("dict[str, dict[str, object]]", found["measurements"]).items():
        measured[name] = Series(str(one["unit"]), list(cast("list[float]", one["values"])))
    return measured


def judge(case: str, goals: Sequence[Goal], file: Path = FILE) -> None:
    """Put `goals`, drawn from what was measured earlier, in the place of those that were drawn then."""
    results = load(file)
    results[case]["measurements"] = {name: one.to_json() for name, one in measured_in(results[case]).items()}
    results[case]["goals"] = [goal.to_json() for goal in goals]
    _save(results, file)


def merge(case: str, measured: Measured, goals: Sequence[Goal], repeats: int, file: Path = FILE) -> None:
    """Put one case's findings in the place of its earlier ones; the other cases stay."""
    results = load(file)
    results[case] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "revision": revision(),
        "machine": machine(),
        "repeats": repeats,
        "goals": [goal.to_json() for goal in goals],
        **({"timeline": measured.timeline} if measured.timeline else {}),
        "measurements": {name: series.to_json() for name, series in measured.items()},
    }
    _save(results, file)


def _save(results: Results, file: Path) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(dict(sorted(results.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(file)


@functools.cache
def revision() -> str:
    """The commit that is measured, as it is at first; with a `+` where files other than results differ from it."""
    git = ("git", "-C", str(PROJECT))
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
    left_out = (":!bench/results.json", ":!docs/performance", ":!docs/performance.md")
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", ".", *left_out], capture_output=True, text=True, check=True
    )
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


@functools.cache
def machine() -> dict[str, object]:
    """What a reader needs to compare figures, and nothing by which the machine could be found; as it is at first."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processors": len(os.sched_getaffinity(0)),
        "processor": model[1] if model else platform.machine(),
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "pulumi": subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip(),
        "plugins": "official" if Checkout.here().needed().downloads else "bundled",
        "load at the start": round(os.getloadavg()[0], 1),
    }
