"""What a handful of repeats says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bench.goals import Goal
from bench.measure import Contestant, Measured, deviation, interleaved, median, ratios


def test_the_median_is_the_one_in_the_middle() -> None:
    assert median([3, 1, 100]) == 3
    assert median([1, 2, 3, 4]) == 2.5


def test_one_bad_repeat_moves_the_deviation_little() -> None:
    assert deviation([10, 11, 12, 13, 14]) == 1
    assert deviation([10, 11, 12, 13, 1000]) == 1


def test_a_ratio_is_of_one_repeat() -> None:
    """A machine that is slow for one repeat is so for both."""
    assert ratios([2, 20, 2], [1, 10, 1]) == [2, 2, 2]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])


def test_a_series_keeps_every_measurement() -> None:
    measured = Measured()
    for value in (3.00004, 1, 2):
        measured.add("a", value, "s")
    written = {"unit": "s", "values": [3.0, 1, 2], "median": 2, "deviation": 1, "min": 1, "max": 3.0}
    assert measured["a"].to_json() == written


def test_a_name_has_one_unit() -> None:
    measured = Measured()
    measured.add("a", 1, "s")
    with pytest.raises(ValueError, match="is in s, not in ms"):
        measured.add("a", 1, "ms")


def test_contestants_take_turns_and_another_one_begins_each_time() -> None:
    order: list[str] = []

    def contestant(name: str) -> Contestant:
        def run(_: int) -> Mapping[str, tuple[float, str]]:
            order.append(name)
            return {name: (len(order), "")}

        return run

    measured = Measured()
    interleaved({name: contestant(name) for name in "abc"}, 3, measured)
    assert "".join(order) == "abcbcacab"
    assert measured["a"].values == [1, 6, 8]
    assert measured.ratio("a", "b") == median([1 / 2, 6 / 4, 8 / 9])


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (Goal("", 1.25, "×", 1.25), True),
        (Goal("", 1.26, "×", 1.25), False),
        (Goal("", 2, "×", 2, at_least=True), True),
        (Goal("", 1.9, "×", 2, at_least=True), False),
        (Goal("", 1, "", 0), False),
        (Goal("", 700, "MB"), None),
    ],
)
def test_a_goal_holds_or_is_missed(goal: Goal, holds: bool | None) -> None:
    assert goal.holds is holds
    assert goal.to_json()["holds"] is holds
