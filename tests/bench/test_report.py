"""docs/performance.md and its pictures say what results.json says, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import charts, report, results
from bench.__main__ import goals_of
from bench.goals import Goal
from bench.measure import Measured

RESULTS = results.load()


def test_the_page_is_what_the_results_render() -> None:
    """After a change of either: `python -m bench --render`."""
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.rendered(RESULTS, page) == page


@pytest.mark.parametrize("name", charts.titles(RESULTS))
def test_a_picture_is_what_the_results_draw(name: str) -> None:
    case, title, height, painter = charts.PICTURES[name]
    drawn = charts.svg(title, height, painter, RESULTS[case])
    assert (report.PICTURES / f"{name}.svg").read_text(encoding="utf-8") == drawn


def test_there_is_no_other_picture() -> None:
    assert {path.stem for path in report.PICTURES.glob("*.svg")} == set(charts.titles(RESULTS))


def test_the_prose_has_no_figure_of_its_own() -> None:
    """What was measured stands between the markers, where the harness puts it."""
    page = report.PAGE.read_text(encoding="utf-8")
    prose = page.partition(report.BEGIN)[0] + page.partition(report.END)[2]
    assert re.findall(r"\d[\d.,]* ?(?:s|ms|MB|kB|×|%|seconds|times)\b", prose) == []


@pytest.mark.parametrize("case", RESULTS)
def test_every_verdict_follows_from_the_measurements(case: str) -> None:
    found = RESULTS[case]
    measured = results.measured_in(found)
    assert found["goals"] == [goal.to_json() for goal in goals_of(case, measured)]
    assert found["measurements"] == {name: series.to_json() for name, series in measured.items()}


def test_a_case_leaves_the_others_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "machine", lambda: {})
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"engine": {"kept": 1}, "check": {"old": 1}}))
    measured = Measured()
    measured.add("a", 1, "s")
    results.merge("check", measured, [Goal("a", 1, "s", 2)], 1, file)
    found = results.load(file)
    assert found["engine"] == {"kept": 1}
    assert found["check"]["measurements"] == {"a": measured["a"].to_json()}


def test_a_missed_goal_is_shown_as_missed() -> None:
    goal = Goal("quick", 3, "s", 2, note="it was slow").to_json()
    shown = report.table({"check": {"goals": [goal], "repeats": 1, "revision": "", "date": "", "machine": MACHINE}})
    assert "| quick | ≤ 2 s | 3 s | **missed** | it was slow |" in shown


MACHINE = dict.fromkeys(("processors", "processor", "memory", "kernel", "python", "pulumi", "load at the start"), "")
