"""What of a unit's log an operator is shown."""

from __future__ import annotations

from agent.trouble import LOG_LINES, shown

ALERT = "[ALERT]    (236) : Starting proxy taken: cannot bind socket (Address already in use) [0.0.0.0:9090]"
GOING_ON = [f"[WARNING]  (236) : Resumed proxy number {number}." for number in range(LOG_LINES + 5)]


def test_what_says_why_stays_however_much_comes_after_it() -> None:
    assert shown(["Reloading.", ALERT, *GOING_ON]) == [ALERT, *GOING_ON[-LOG_LINES + 1 :]]


def test_of_lines_that_say_nothing_the_last() -> None:
    assert shown(GOING_ON) == GOING_ON[-LOG_LINES:]


def test_few_lines_are_all_shown_in_their_order() -> None:
    assert shown(["begins", ALERT, "ends"]) == ["begins", ALERT, "ends"]
