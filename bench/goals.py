"""What was promised, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

from bench.measure import figure


@dataclass(frozen=True)
class Goal:
    """A figure and its limit."""

    goal: str
    """In words, as it was set."""
    found: float
    unit: str
    """`×`, `s`, `ms`, `MB` …"""
    limit: float | None = None
    """None: the figure is stated, nothing was promised."""
    at_least: bool = False
    note: str = ""
    """What the reader has to know beside the figure."""

    @property
    def holds(self) -> bool | None:
        if self.limit is None:
            return None
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    def to_json(self) -> dict[str, object]:
        return {
            "goal": self.goal,
            "found": figure(self.found),
            "unit": self.unit,
            "limit": self.limit,
            "at_least": self.at_least,
            "holds": self.holds,
            "note": self.note,
        }
