"""Pictures of results.json, as SVG; the same findings give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from bench import profile
from bench.cases import engine
from bench.contestants import ANSIBLE, FLOOR, OURS, TUNED
from bench.play import EMPTY, PLUGINS, again, first, workers
from bench.results import Results
from bench.unchanged import COMMANDS, on_host

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, GREY = "#0072B2", "#777777"
COLOURS = {OURS: BLUE, FLOOR: "#009E73", TUNED: "#E69F00", ANSIBLE: "#D55E00", EMPTY: GREY, PLUGINS: GREY}
KIND_COLOURS = dict(
    zip(profile.KINDS, (GREY, "#56B4E9", "#D55E00", BLUE, "#F0E442", "#CC79A7", "#009E73"), strict=True)
)

Found = Mapping[str, object]
"""One case of results.json."""


def titles(results: Results) -> dict[str, str]:
    """Name → title of the pictures that the findings are enough for."""
    return {name: title for name, (case, title, _, painter) in PICTURES.items() if _enough(results, case, painter)}


def draw(results: Results) -> dict[str, str]:
    """Name → SVG."""
    return {
        name: svg(title, height, painter, results[case])
        for name, (case, title, height, painter) in PICTURES.items()
        if _enough(results, case, painter)
    }


def _enough(results: Results, case: str, painter: Callable[[Figure, Found], None]) -> bool:
    return case in results and (painter is not _timeline or "timeline" in results[case])


def svg(title: str, height: float, painter: Callable[[Figure, Found], None], found: Found) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "maas-ha", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(9, height), layout="constrained", facecolor="white")
        painter(figure, found)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _one(found: Found, name: str) -> dict[str, object]:
    return cast("dict[str, dict[str, object]]", found["measurements"])[name]


def values(found: Found, name: str) -> list[float]:
    return cast("list[float]", _one(found, name)["values"])


def middle(found: Found, name: str) -> float:
    return cast("float", _one(found, name)["median"])


def plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)


def bars(axes: Axes, found: Found, names: Mapping[str, str], unit: str, limit: tuple[float, str] | None = None) -> None:
    """A bar a name as long as its median, with its label beside it and a dot for each repeat."""
    plain(axes)
    axes.grid(visible=False, axis="y")
    longest = max(max(values(found, name)) for name in names.values())
    for place, (label, name) in enumerate(names.items()):
        axes.barh(place, middle(found, name), 0.62, color=COLOURS.get(label, BLUE))
        axes.plot(values(found, name), [place] * len(values(found, name)), "o", color="black", markersize=3)
        shown = middle(found, name)
        said = f"{shown:.0f} {unit}" if shown >= 100 else f"{shown:.3g} {unit}"
        axes.text(max(values(found, name)) + longest * 0.015, place, said, va="center")
    if limit:
        axes.axvline(limit[0], color="black", linewidth=1, linestyle="--")
        axes.annotate(
            f"goal: {limit[1]}", (limit[0], 1), (4, 2), ("data", "axes fraction"), "offset points", fontsize=8
        )
    axes.set_yticks(range(len(names)), list(names))
    axes.invert_yaxis()
    axes.set_xlim(0, max(longest * 1.14, limit[0] * 1.05 if limit else 0))
    axes.set_xlabel({"s": "seconds", "ms": "milliseconds"}[unit])


def _deploy(figure: Figure, found: Found) -> None:
    names = {who: first(who) for who in (OURS, FLOOR, TUNED, ANSIBLE)}
    limit = (1.25 * middle(found, first(FLOOR)), "1.25 × floor")
    bars(figure.add_subplot(), found, names, "s", limit)


def _nothing(figure: Figure, found: Found) -> None:
    names = {who: again(who) for who in (OURS, EMPTY, PLUGINS, TUNED, ANSIBLE)}
    bars(figure.add_subplot(), found, names, "s", (1.5 * middle(found, again(EMPTY)), "1.5 × an empty program"))


def _workers(figure: Figure, found: Found) -> None:
    names = {who: workers(who) for who in (OURS, FLOOR, TUNED)}
    bars(figure.add_subplot(), found, names, "s", (1.5 * middle(found, workers(FLOOR)), "1.5 × floor"))


def _bundle(figure: Figure, found: Found) -> None:
    names = {f"{host}: {command.split('-')[1]}": on_host(host) for host, command in COMMANDS.items()}
    bars(figure.add_subplot(), found, names, "ms", (150, "150 ms"))


def _timeline(figure: Figure, found: Found) -> None:
    """Every command's steps in the last repeat, and below them the way that decides, by kind."""
    parts = cast("Sequence[tuple[str, str, float, float]]", found["timeline"])
    commands = list(dict.fromkeys(command for command, *_ in parts))
    grid = figure.add_gridspec(2, 1, height_ratios=(len(commands) + 1, 2.4))
    axes, sums = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    plain(axes)
    for command, kind, begin, end in parts:
        axes.barh(commands.index(command), end - begin, 0.7, begin, color=KIND_COLOURS[kind])
    axes.set_yticks(range(len(commands)), commands, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds from the start of pulumi up, the last repeat")
    at = 0.0
    for kind in profile.KINDS:
        seconds = middle(found, f"on the way that decides: {kind}")
        sums.barh(0, seconds, 0.6, at, color=KIND_COLOURS[kind], label=f"{kind}: {seconds:.1f} s")
        at += seconds
    sums.set_yticks([0], ["the way that\ndecides, medians"], fontsize=8)
    sums.set_xlim(0, at * 1.01)
    sums.spines[["top", "right"]].set_visible(False)
    sums.legend(ncols=3, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.35))


def _previews(figure: Figure, found: Found) -> None:
    looks = dict(zip(engine.RIVALS, (BLUE, "#E69F00", GREY), strict=True))
    top: Axes | None = None
    for number, state in enumerate(engine.STATES):
        axes = figure.add_subplot(1, 2, number + 1, sharey=top)
        top = top or axes
        plain(axes)
        for who, colour in looks.items():
            names = [engine.name(engine.preview(state), who, racks) for racks in engine.SIZES]
            if not set(names) <= cast("dict[str, object]", found["measurements"]).keys():
                continue  # findings of before there was this rival
            axes.plot(engine.SIZES, [middle(found, name) for name in names], "-", color=colour, label=who)
            for racks, name in zip(engine.SIZES, names, strict=True):
                heights = values(found, name)
                axes.plot([racks] * len(heights), heights, "o", color=colour, markersize=3.5, alpha=0.7)
        if state == "full":
            reads = [engine.name("reading the state", engine.OURS, racks) for racks in engine.SIZES]
            label = "file backend: reading the state"
            axes.plot(engine.SIZES, [middle(found, read) for read in reads], ":", color="black", label=label)
        axes.set_title(f"on {state} state", fontsize=10)
        axes.set_xlabel("racks")
        axes.set_ylabel("seconds")
        axes.set_xlim(left=0)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    if top:
        top.set_ylim(bottom=0)


PICTURES: dict[str, tuple[str, str, float, Callable[[Figure, Found], None]]] = {
    "deploy": ("deploy", "First deployment of the dev stack, until the end state stands", 2.6, _deploy),
    "timeline": ("deploy", "Where the time of the first deployment goes", 5.6, _timeline),
    "nothing": ("nothing", "Nothing to do", 2.6, _nothing),
    "workers": ("workers", "One region's workers, until they serve", 2.3, _workers),
    "workers-timeline": ("workers", "Where the time of one region's workers goes", 2.8, _timeline),
    "bundle": ("bundle", "The agent, given a bundle that it has applied before", 3.0, _bundle),
    "previews": ("engine", "pulumi preview of a cluster, by its racks", 4.2, _previews),
}
"""File name → case, title, inches, and what draws it."""
