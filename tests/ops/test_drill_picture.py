"""What is in the picture of drills, from a report made up; not where each pixel is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import plotly.graph_objects
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import drill_html, drill_picture, drill_png
from ops.drill_panels import Look, Panel, Scale, label, levels, panels
from ops.drill_report import Mark
from tests.ops.drill_examples import SECONDS, database, of, region

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

REPORT = of(region(), database())


def named(panel: Panel, name: str) -> dict[int, float]:
    """The values of the one series with this name, by second."""
    [series] = [series for row in panel.rows for series in row.series if series.name == name]
    return dict(zip(series.at, series.values, strict=True))


class TestPanels:
    """What is drawn."""

    def test_every_request_is_in_it_once(self) -> None:
        for drill, panel in zip(REPORT.drills, panels(REPORT), strict=True):
            reads, failed = named(panel, "reads"), named(panel, "failed reads")
            writes, failed_writes = named(panel, "writes"), named(panel, "failed writes")
            for second in drill.timeline:
                assert reads[second.at] + failed[second.at] == second.tried - second.writes
                assert -writes[second.at] - failed_writes[second.at] == second.writes
                assert failed[second.at] - failed_writes[second.at] == second.failed
            assert (panel.first, panel.last) == (-5, 25)

    def test_the_share_that_fails(self) -> None:
        _, panel = panels(REPORT)
        assert named(panel, "writes that fail") == {at: 100.0 if 0 <= at < 19 else 0.0 for at in SECONDS}
        assert named(panel, "reads that fail") == {at: 20.0 if 0 <= at < 19 else 0.0 for at in SECONDS}

    def test_a_second_without_writes_has_no_share_of_them(self) -> None:
        drill = region()
        drill.timeline[3].writes = 0
        [panel] = panels(of(drill))
        assert -2 not in named(panel, "writes that fail")
        assert -2 in named(panel, "reads that fail")

    def test_the_slowest_of_each_second_is_marked_where_something_failed(self) -> None:
        _, panel = panels(REPORT)
        assert named(panel, "slowest of a second with failures") == dict.fromkeys(range(19), 10.0)
        well = named(panel, "slowest of a second")
        assert len(well) == len(SECONDS) - 19
        assert well[19] == 2.4

    def test_what_took_no_time_is_on_a_logarithmic_scale_too(self) -> None:
        drill = region()
        drill.timeline[0].slowest = 0.0
        [panel] = panels(of(drill))
        assert named(panel, "slowest of a second")[-5] == 0.001

    def test_dhcp_and_power_have_bands_of_their_own_where_there_are_any(self) -> None:
        first, second = panels(REPORT)
        assert len(first.rows) == 3
        assert [row.label for row in second.rows[3:]] == ["DHCP asks\na second", "power queries\na second"]
        assert sum(named(second, "DHCP asks without answer").values()) == 3
        assert "20 DHCP clients on lb1: leases lost: 1, doubled: 0; 120 asks, 3 without answer; slowest 4.10 s" in (
            second.figures
        )

    def test_the_title_tells_it_all(self) -> None:
        first, second = panels(REPORT)
        well = "dev: region kill on region1: within limits."
        assert first.title == f"{well} 2 of 750 requests failed, 0 of 149 acknowledged writes lost"
        badly = "dev: database hang on db1: LIMITS EXCEEDED."
        assert second.title == f"{badly} 171 of 750 requests failed, 1 of 55 acknowledged writes lost"
        assert (first.holds, second.holds) == (True, False)

    def test_a_limit_of_time_is_a_stretch_of_it(self) -> None:
        assert [panel.allowed for panel in panels(REPORT)] == [(), (15.0,)]

    def test_the_fault_is_always_marked(self) -> None:
        drill = region()
        drill.marks = [Mark(at=16.2, text="undone")]
        [panel] = panels(of(drill))
        assert [label(mark) for mark in panel.marks] == ["kill", "undone +16.2 s"]

    @given(st.lists(st.tuples(st.floats(-5, 25), st.text(max_size=30)), max_size=8))
    def test_no_label_lies_on_another(self, marks: list[tuple[float, str]]) -> None:
        drill = region()
        drill.marks = [Mark(at=at, text=text) for at, text in marks]
        [panel] = panels(of(drill))
        ends: dict[int, float] = {}
        for mark, level in zip(panel.marks, levels(panel, 120), strict=True):
            assert mark.at >= ends.get(level, mark.at)
            ends[level] = mark.at + len(label(mark)) * 30 / 120


class TestImage:
    """By matplotlib."""

    def test_every_row_and_bar_is_drawn(self) -> None:
        parts = drill_png.draw(REPORT).subfigs
        assert len(parts) == 3, "two drills and what was left out"
        for part, panel in zip(parts, panels(REPORT), strict=False):
            *rows, words = part.axes
            assert [axes.get_ylabel() for axes in rows] == [row.label for row in panel.rows]
            for axes, row in zip(rows, panel.rows, strict=True):
                bars = [cast("Rectangle", bar) for bars in axes.containers for bar in bars]
                drawn = sum(abs(bar.get_height()) for bar in bars)
                wanted = sum(abs(v) for s in row.series for v in s.values if row.scale is Scale.COUNT)
                assert drawn == wanted
            assert rows[2].get_yscale() == "log"
            shown = " ".join(text.get_text() for text in words.texts)
            assert shown.count("✗") == sum(not limit.holds for limit in panel.limits)
            assert [text.get_text() for text in rows[0].texts] == [label(mark) for mark in panel.marks]
        assert parts[2].texts[0].get_text() == "not drilled: partition, stack dev has one database"

    def test_failures_stand_on_what_went_well(self) -> None:
        axes = drill_png.draw(of(database())).subfigs[0].axes[0]
        reads, failed, writes, failed_writes = axes.containers
        at = 7
        for below, above in ((reads, failed), (writes, failed_writes)):
            lower, upper = cast("list[Rectangle]", list(below))[at], cast("list[Rectangle]", list(above))[at]
            assert upper.get_y() == lower.get_height()
        hatched = [bars[at].get_hatch() for bars in (reads, failed, writes, failed_writes)]
        assert [bool(one) for one in hatched] == [False, True, False, True]

    def test_no_drill_at_all(self, tmp_path: Path) -> None:
        drill_png.write(of(), tmp_path / "drill.png")
        assert (tmp_path / "drill.png").read_bytes().startswith(b"\x89PNG")


class TestPage:
    """By plotly.js."""

    @pytest.mark.parametrize("number", [0, 1])
    def test_plotly_takes_the_figure(self, number: int) -> None:
        panel = panels(REPORT)[number]
        made = plotly.graph_objects.Figure(drill_html.figure(panel))
        assert [(trace.name, list(trace.y)) for trace in made.data] == [
            (series.name, list(series.values)) for row in panel.rows for series in row.series
        ]
        assert made.layout.yaxis3.type == "log"
        assert [shape.type for shape in made.layout.shapes] == ["line"] * len(panel.marks) + ["rect"] * number
        assert [note.text for note in made.layout.annotations] == [label(mark) for mark in panel.marks]
        domains = [made.layout[f"yaxis{at}"].domain for at in range(1, len(panel.rows) + 1)]
        assert all(above[0] > below[1] for above, below in pairwise(domains))
        for trace in made.data:
            if trace.type == "bar":
                failed = Look.FAILED in {s.look for row in panel.rows for s in row.series if s.name == trace.name}
                assert (trace.marker.pattern.shape == "/") is failed

    def test_it_needs_no_network(self) -> None:
        page = drill_html.page(REPORT)
        own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
        assert re.findall(r"(?:src|href|url)\s*[=(]", own) == []
        assert "default-src 'none'" in own
        assert page.count('Plotly.newPlot("drill-') == 2
        assert "plotly.js v" in page[:5000]

    def test_its_words(self) -> None:
        own = re.sub(r"<script>.*?</script>", "", drill_html.page(REPORT), flags=re.DOTALL)
        assert own.count("✓") == 2
        assert own.count("✗") == 3
        assert "✗ seconds until writes are acknowledged again: 19.2, at most 15" in own
        assert "Not drilled: partition, stack dev has one database" in own

    def test_what_a_host_says_is_text(self) -> None:
        drill = region()
        drill.reasons = {"<b>answered</b>": 1}
        drill.marks = [Mark(at=1.0, text="</script><script>alert(1)</script>")]
        page = drill_html.page(of(drill))
        assert "<b>answered" not in page
        assert "alert(1)</script>" not in page
        [figure] = re.findall(r"^}\)\((\{.*\})\);</script>$", page, flags=re.MULTILINE)
        assert json.loads(figure)["layout"]["annotations"][1]["text"].endswith("+1.0 s")

    def test_no_drill_at_all(self) -> None:
        assert "No drill was made." in drill_html.page(of())


def test_both_are_written_beside_each_other(tmp_path: Path) -> None:
    image, page = drill_picture.write(REPORT, tmp_path / "2026-11-24.dev")
    assert (image.name, page.name) == ("2026-11-24.dev.png", "2026-11-24.dev.html")
    assert image.read_bytes().startswith(b"\x89PNG")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_nothing_is_loaded_before_it_is_drawn() -> None:
    program = "import sys, ops.drill_picture; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "numpy", "plotly", "jinja2"} & set(done.stdout.split())
