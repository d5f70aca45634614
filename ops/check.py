"""Whether a stack file can work, without the engine and without a host."""

from __future__ import annotations

import json
from collections.abc import Sequence

from config.finding import Finding


def as_json(findings: Sequence[Finding]) -> str:
    """`{"findings": [{"path", "problem", "remedy"}, …]}`; an empty list for a stack file that can work."""
    listed = [{"path": found.path, "problem": found.problem, "remedy": found.remedy} for found in findings]
    return json.dumps({"findings": listed}, indent=2)
