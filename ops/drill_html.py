"""The picture of drills as one page that needs no network, by plotly.js: what is pointed at tells its figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

from ops.drill_panels import (
    ALLOWED,
    COLOURS,
    FAULT,
    SHORTEST,
    TICKS,
    Look,
    Panel,
    Row,
    Scale,
    Series,
    Shape,
    label,
    levels,
    panels,
    told,
)
from ops.drill_report import Report

ROW, HEAD, COLUMNS = 150, 150, 130
"""Pixels of a row of height 1 and of what a figure has besides; characters above a row."""
PATTERN: dict[str, object] = {"shape": "/", "fgcolor": "white", "size": 6, "solidity": 0.15}
WIDTH = 0.92
"""Of a bar, in seconds."""
GAP = 0.05
"""Between rows, as a share of the figure's height."""
TEMPLATES = Path(__file__).parent / "templates"
Json = dict[str, object]


def write(report: Report, path: Path) -> None:
    """Write the page, a figure for each drill below the one before. Raises `OSError`."""
    path.write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """The page, the script in it."""
    import jinja2
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    shown = [
        # JSON in a script ends at the first `</script>`, whatever it is in.
        (panel, Markup(json.dumps(figure(panel)).replace("<", "\\u003c")), [(told(x), x.holds) for x in panel.limits])  # noqa: S704
        for panel in panels(report)
    ]
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    script = Markup(get_plotlyjs())  # noqa: S704 - the package's own
    return templates.get_template("drill.html").render(report=report, panels=shown, script=script)


def figure(panel: Panel) -> Json:
    """The figure of one drill as plotly.js takes it: `data` and `layout`."""
    domains = _domains(panel.rows)
    axes = {f"yaxis{number}": _axis(row, domains[number - 1]) for number, row in enumerate(panel.rows, 1)}
    traces = [
        _trace(series, number, first=number == 1 or series.look is not Look.FAILED)
        for number, row in enumerate(panel.rows, 1)
        for series in row.series
    ]
    share = next(number for number, row in enumerate(panel.rows, 1) if row.scale is Scale.SHARE)
    height = HEAD + ROW * sum(row.height for row in panel.rows)
    time: Json = {"title": {"text": "seconds from the fault"}, "range": [panel.first, panel.last], "zeroline": False}
    layout: Json = {
        "height": round(height),
        "barmode": "relative",
        "hovermode": "x unified",
        "plot_bgcolor": "white",
        "margin": {"l": 110, "r": 20, "t": 80, "b": 50},
        "xaxis": time | {"anchor": f"y{len(panel.rows)}", "hoverformat": ".1f"},
        "shapes": [*_lines(panel), *(_allowed(seconds, share) for seconds in panel.allowed)],
        "annotations": _labels(panel),
        **axes,
    }
    return {"data": traces, "layout": layout}


def _domains(rows: tuple[Row, ...]) -> list[list[float]]:
    """Where each row is, from 0 at the bottom to 1."""
    share = (1 - GAP * (len(rows) - 1)) / sum(row.height for row in rows)
    found, top = [], 1.0
    for row in rows:
        bottom = max(0.0, top - share * row.height)
        found.append([round(bottom, 4), round(top, 4)])
        top = bottom - GAP
    return found


def _axis(row: Row, domain: list[float]) -> Json:
    title: Json = {"text": row.label.replace("\n", "<br>"), "font": {"size": 12}}
    axis: Json = {"domain": domain, "anchor": "x", "title": title, "gridcolor": "#E5E5E5", "automargin": True}
    if row.scale is Scale.SECONDS:
        ticks: Json = {"tickvals": list(TICKS), "ticktext": list(TICKS.values())}
        most = max((value for series in row.series for value in series.values), default=1.0)
        return axis | ticks | {"type": "log", "range": [math.log10(SHORTEST), math.log10(max(1.0, most) * 2)]}
    if row.scale is Scale.SHARE:
        return axis | {"range": [-3, 103], "tickvals": [0, 50, 100], "ticktext": ["0 %", "50 %", "100 %"]}
    most = max((value for series in row.series for value in series.values), default=0.0)
    return axis | {"zeroline": True, "zerolinecolor": FAULT} | ({"dtick": 1} if most < 4 else {"nticks": 5})


def _trace(series: Series, row: int, *, first: bool) -> Json:
    """One series; `first` for what the legend names."""
    trace: Json = {
        "name": series.name,
        "x": [at + 0.5 for at in series.at],
        "y": list(series.values),
        "yaxis": f"y{row}",
        "showlegend": first,
    }
    colour = COLOURS[series.look]
    if series.shape is Shape.BARS:
        pattern = {"pattern": PATTERN | {"bgcolor": colour}} if series.look is Look.FAILED else {}
        counts = [abs(value) for value in series.values]
        hover = "%{customdata}"
        return trace | {
            "type": "bar",
            "width": WIDTH,
            "customdata": counts,
            "hovertemplate": hover,
            "marker": {"color": colour} | pattern,
        }
    trace |= {"type": "scatter"}
    if series.shape is Shape.STEPS:
        dash = "solid" if series.look is Look.READ else "dash"
        line = {"color": colour, "dash": dash, "shape": "hvh", "width": 2}
        return trace | {"mode": "lines", "line": line, "hovertemplate": "%{y:.0f} %"}
    symbol = "x" if series.look is Look.FAILED else "circle"
    marker = {"color": colour, "symbol": symbol, "size": 9}
    return trace | {"mode": "markers", "marker": marker, "hovertemplate": "%{y:.3f} s"}


def _lines(panel: Panel) -> list[Json]:
    """One through all rows for each mark, thick for the fault."""
    found: list[Json] = []
    for mark in panel.marks:
        fault = round(mark.at, 1) == 0
        line = {"color": FAULT, "width": 2 if fault else 1, "dash": "solid" if fault else "dot"}
        found.append({"type": "line", "x0": mark.at, "x1": mark.at, "y0": 0, "y1": 1, "yref": "paper", "line": line})
    return found


def _allowed(seconds: float, row: int) -> Json:
    """The time until something has to work again, with its name."""
    return {
        "type": "rect",
        "x0": 0,
        "x1": seconds,
        "y0": 0,
        "y1": 1,
        "yref": f"y{row} domain",
        "fillcolor": ALLOWED,
        "opacity": 0.35,
        "line": {"width": 0},
        "layer": "below",
        "label": {"text": f"allowed: {seconds:g} s", "textposition": "top right"},
    }


def _labels(panel: Panel) -> list[Json]:
    common: Json = {"yref": "paper", "y": 1, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    return [
        common | {"x": mark.at, "text": label(mark), "yshift": 2 + 16 * level, "font": {"size": 12, "color": FAULT}}
        for mark, level in zip(panel.marks, levels(panel, COLUMNS), strict=True)
    ]
