"""Whether a stack file can work, without the engine and without a host."""

from __future__ import annotations

import json
from collections.abc import Sequence

from config.finding import Finding


def as_json(findings: Sequence[Finding], advice: Sequence[Finding]) -> str:
    """`{"findings": […], "advice": […]}` of `{"path", "problem", "remedy"}`; no findings: the stack file can work."""
    return json.dumps({"findings": _listed(findings), "advice": _listed(advice)}, indent=2)


def _listed(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"path": found.path, "problem": found.problem, "remedy": found.remedy} for found in findings]
