"""Repeats that take turns, and what a handful of them says."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.progress import say

Contestant = Callable[[int], Mapping[str, tuple[float, str]]]
"""Runs once, given the number of the repeat; what it measured: name → value and unit."""


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def deviation(values: Sequence[float]) -> float:
    """Median of the distances from the median, which one bad repeat doesn't move."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Each value by the one that was measured beside it, in the same repeat. Raises ValueError where one is missing."""
    return [value / other for value, other in zip(values, others, strict=True)]


@dataclass
class Series:
    """One thing measured again and again."""

    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    def to_json(self) -> dict[str, object]:
        return {
            "unit": self.unit,
            "values": [figure(value) for value in self.values],
            "median": figure(self.median),
            "deviation": figure(deviation(self.values)),
            "min": figure(min(self.values)),
            "max": figure(max(self.values)),
        }


def figure(value: float) -> float:
    """A value with as many digits as were measured."""
    return round(value, 4)


class Measured(dict[str, Series]):
    """Name → series."""

    def __init__(self) -> None:
        super().__init__()
        self.timeline: list[tuple[str, str, float, float]] = []
        """Command, kind, begin and end of every part of the last repeat, where there is a picture of it."""

    def add(self, name: str, value: float, unit: str) -> None:
        series = self.setdefault(name, Series(unit))
        if series.unit != unit:
            raise ValueError(f"{name} is in {series.unit}, not in {unit}")
        series.values.append(figure(value))

    def ratio(self, name: str, other: str) -> float:
        """Median of the ratios of one repeat each."""
        return median(ratios(self[name].values, self[other].values))


def interleaved(contestants: Mapping[str, Contestant], repeats: int, measured: Measured) -> None:
    """Each contestant `repeats` times, in turns, and another one first each time."""
    names = list(contestants)
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            say(f"{repeat + 1} of {repeats}: {name}")
            for what, (value, unit) in contestants[name](repeat).items():
                measured.add(what, value, unit)
