"""The picture of drills as an image, by matplotlib."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

WIDTH, ROW, HEAD, NOTE, DOTS = 17.0, 1.55, 1.1, 0.3, 100
"""Inches of the picture, of a row of height 1, of what a panel has besides, of a note; dots an inch."""
TEXT_COLUMNS, COLUMNS, LINE = 49, 120, 12.5
"""Characters a line of the words beside, characters above a row, points from one line of words to the next."""


def write(report: Report, path: Path) -> None:
    """Write the PNG, a panel for each drill below the one before. Raises `OSError`."""
    draw(report).savefig(path, dpi=DOTS, format="png")


def draw(report: Report) -> Figure:
    """The figure; no display is needed."""
    from matplotlib.figure import Figure

    shown = panels(report)
    notes = [f"not drilled: {one.kind}, {one.why}" for one in report.skipped] + ([] if shown else ["no drill was made"])
    heights = [HEAD + ROW * sum(row.height for row in panel.rows) for panel in shown] + (
        [NOTE * len(notes)] * bool(notes)
    )
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained", facecolor="white")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel in zip(parts, shown, strict=False):
        _panel(part, panel)
    if notes:
        parts[-1].text(0.01, 0.5, "\n".join(notes), fontsize=9, color="#555555", va="center")
    return figure


def _panel(part: SubFigure, panel: Panel) -> None:
    part.suptitle(
        panel.title,
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color="black" if panel.holds else COLOURS[Look.FAILED],
    )
    grid = part.add_gridspec(len(panel.rows), 2, width_ratios=(2.3, 1), height_ratios=[r.height for r in panel.rows])
    top: Axes | None = None
    for number, row in enumerate(panel.rows):
        axes = part.add_subplot(grid[number, 0], sharex=top)
        _row(axes, row, panel)
        top = top or axes
        last = number == len(panel.rows) - 1
        axes.tick_params(labelbottom=last)
        if last:
            axes.set_xlabel("seconds from the fault")
    if top:
        top.set_xlim(panel.first, panel.last)
        _labels(top, panel)
    words = part.add_subplot(grid[:, 1])
    words.axis("off")
    _words(words, panel)


def _row(axes: Axes, row: Row, panel: Panel) -> None:
    axes.set_ylabel(row.label, rotation=0, ha="right", va="center", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    for mark in panel.marks:
        fault = round(mark.at, 1) == 0
        axes.axvline(mark.at, color=FAULT, linewidth=1.8 if fault else 1.0, linestyle="-" if fault else ":", zorder=3)
    stood: dict[tuple[int, bool], float] = {}
    for series in row.series:
        _series(axes, series, stood)
    _scale(axes, row, panel)
    if row.series:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _series(axes: Axes, series: Series, stood: dict[tuple[int, bool], float]) -> None:
    colour = COLOURS[series.look]
    middles = [at + 0.5 for at in series.at]
    if series.shape is Shape.BARS:
        sides = [(at, value < 0) for at, value in zip(series.at, series.values, strict=True)]
        bottoms = [stood.get(side, 0.0) for side in sides]
        hatch = "////" if series.look is Look.FAILED else None
        axes.bar(
            middles,
            series.values,
            0.92,
            bottoms,
            color=colour,
            label=series.name,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
        )
        for side, value in zip(sides, series.values, strict=True):
            stood[side] = stood.get(side, 0.0) + value
    elif series.shape is Shape.STEPS:
        style = "-" if series.look is Look.READ else "--"
        axes.plot(
            middles,
            series.values,
            color=colour,
            label=series.name,
            linestyle=style,
            drawstyle="steps-mid",
            linewidth=1.8,
        )
    else:
        marker = "X" if series.look is Look.FAILED else "o"
        axes.plot(middles, series.values, color=colour, label=series.name, linestyle="", marker=marker, markersize=6)


def _scale(axes: Axes, row: Row, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    if row.scale is Scale.SECONDS:
        axes.set_yscale("log")
        most = max((value for series in row.series for value in series.values), default=1.0)
        axes.set_ylim(SHORTEST, max(1.0, most) * 2)
        axes.set_yticks(list(TICKS), list(TICKS.values()))
        axes.minorticks_off()
    elif row.scale is Scale.SHARE:
        axes.set_ylim(-3, 103)
        axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"])
        for seconds in panel.allowed:
            axes.axvspan(0, seconds, color=ALLOWED, alpha=0.35, linewidth=0, label=f"allowed: {seconds:g} s", zorder=0)
    else:
        axes.axhline(0, color="#222222", linewidth=0.8)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")


def _labels(axes: Axes, panel: Panel) -> None:
    for mark, level in zip(panel.marks, levels(panel, COLUMNS), strict=True):
        axes.annotate(
            label(mark),
            (mark.at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 3 + 12 * level),
            textcoords="offset points",
            fontsize=9,
            fontweight="bold" if round(mark.at, 1) == 0 else "normal",
            annotation_clip=False,
        )


def _words(axes: Axes, panel: Panel) -> None:
    """The limits, with a sign that needs no colour, and the figures."""
    lines = [(("✓ " if limit.holds else "✗ ") + told(limit), limit.holds) for limit in panel.limits]
    text = [(line, "black" if holds else COLOURS[Look.FAILED], "bold") for line, holds in lines]
    text += [(line, "#333333", "normal") for line in panel.figures]
    height = 0.0
    for line, colour, weight in text:
        wrapped = textwrap.fill(line, TEXT_COLUMNS, subsequent_indent="   ")
        axes.annotate(
            wrapped,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, -height),
            textcoords="offset points",
            fontsize=9,
            va="top",
            color=colour,
            fontweight=weight,
        ).set_in_layout(False)
        height += LINE * (wrapped.count("\n") + 1) + 2
