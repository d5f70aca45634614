"""Pictures of results.json, as SVG; the same findings give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from bench.cases import engine
from bench.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"ours": "#0072B2", "floor": "#009E73", "ansible, tuned": "#E69F00", "ansible": "#D55E00", "other": "#777777"}

Measurements = dict[str, dict[str, object]]


def titles(results: Results) -> dict[str, str]:
    """Name → title of the pictures that the findings are enough for."""
    return {name: title for name, (case, title, _) in PICTURES.items() if case in results}


def draw(results: Results) -> dict[str, str]:
    """Name → SVG."""
    return {
        name: _svg(title, painter, cast("Measurements", results[case]["measurements"]))
        for name, (case, title, painter) in PICTURES.items()
        if case in results
    }


def _svg(title: str, painter: Callable[[Figure, Measurements], None], found: Measurements) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "maas-ha", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(9, 4.2), layout="constrained", facecolor="white")
        painter(figure, found)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)


def values(found: Measurements, name: str) -> list[float]:
    return cast("list[float]", found[name]["values"])


def middle(found: Measurements, name: str) -> float:
    return cast("float", found[name]["median"])


def _previews(figure: Figure, found: Measurements) -> None:
    looks = {engine.OURS: COLOURS["ours"], engine.EMPTY: COLOURS["other"]}
    top: Axes | None = None
    for number, state in enumerate(engine.STATES):
        axes = figure.add_subplot(1, 2, number + 1, sharey=top)
        top = top or axes
        plain(axes)
        for who, colour in looks.items():
            names = [engine.name(engine.preview(state), who, racks) for racks in engine.SIZES]
            axes.plot(engine.SIZES, [middle(found, name) for name in names], "-", color=colour, label=who)
            for racks, name in zip(engine.SIZES, names, strict=True):
                _dots(axes, racks, values(found, name), colour)
        if state == "full":
            reads = [engine.name("reading the state", engine.OURS, racks) for racks in engine.SIZES]
            label = "file backend: reading the state"
            axes.plot(engine.SIZES, [middle(found, read) for read in reads], ":", color="black", label=label)
        axes.set_title(f"on {state} state", fontsize=10)
        axes.set_xlabel("racks")
        axes.set_ylabel("seconds")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8, loc="upper left")


def _dots(axes: Axes, at: float, heights: Sequence[float], colour: str) -> None:
    axes.plot([at] * len(heights), heights, "o", color=colour, markersize=3.5, alpha=0.7)


PICTURES: dict[str, tuple[str, str, Callable[[Figure, Measurements], None]]] = {
    "previews": ("engine", "pulumi preview of a cluster, by its racks", _previews),
}
"""File name → case, title, and what draws it."""
