"""Limits for counts that no machine changes, in `costs.json`: what costs more is seen in review before it is felt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

LIMITS = Path(__file__).with_name("costs.json")
ABOVE, BELOW = 1.05, 0.9
"""Times its limit: a figure may be as much (a name is longer, zlib another); where it is less, the limit is lowered."""


def check(case: str, found: Mapping[str, int]) -> None:
    """Hold every figure of `case` to its limit. Raises AssertionError.

    After a wanted change: `MAAS_HA_GOLDEN=write pytest tests/agent/test_costs.py tests/contract/test_costs.py`.
    """
    limits = cast("dict[str, dict[str, int]]", json.loads(LIMITS.read_text(encoding="utf-8")))
    if os.environ.get("MAAS_HA_GOLDEN") == "write":
        limits[case] = dict(found)
        LIMITS.write_text(json.dumps(limits, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return
    assert found.keys() == limits[case].keys(), case
    above = {name: (count, limits[case][name]) for name, count in found.items() if count > limits[case][name] * ABOVE}
    assert not above, f"{case}: (found, limit) {above}"
    below = {name: count for name, count in found.items() if count < limits[case][name] * BELOW}
    assert not below, f"{case}: limits to be lowered {below}"
