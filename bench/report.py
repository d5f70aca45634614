"""docs/performance.md's tables and pictures, from results.json and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from bench import charts
from bench.results import PROJECT, Results

PAGE = PROJECT / "docs" / "performance.md"
PICTURES = PROJECT / "docs" / "performance"
BEGIN, END = "<!-- results.json: begin -->", "<!-- results.json: end -->"
ORDER = ("deploy", "nothing", "workers", "bundle", "engine", "rack", "check")


def verdict(holds: object) -> str:
    return {True: "holds", False: "**missed**", None: "stated"}[cast("bool | None", holds)]


def number(value: object) -> str:
    """A figure with three digits, or all that it has before the point."""
    given = float(cast("float", value))
    return f"{given:.0f}" if abs(given) >= 100 or given == int(given) else f"{given:.3g}"


def table(results: Results) -> str:
    """The goals as a table, and what each case was measured on."""
    lines = ["| goal | limit | found | | what stands behind it |", "|---|---|---|---|---|"]
    for case in cases(results):
        for goal in cast("list[dict[str, object]]", results[case]["goals"]):
            lines.append(_row(goal))
    lines += ["", "| case | repeats | revision | measured on | machine |", "|---|---|---|---|---|"]
    for case in cases(results):
        found = results[case]
        lines.append(f"| {case} | {found['repeats']} | `{found['revision']}` | {found['date']} | {_machine(found)} |")
    return "\n".join(lines)


def measurements(results: Results) -> str:
    """Every series, case by case."""
    lines = ["| measured | median | from | to | deviation | |", "|---|--:|--:|--:|--:|---|"]
    for case in cases(results):
        found = cast("dict[str, dict[str, object]]", results[case]["measurements"])
        for name, one in found.items():
            cells = " | ".join(number(one[key]) for key in ("median", "min", "max", "deviation"))
            lines.append(f"| {case}: {name} | {cells} | {one['unit']} |")
    return "\n".join(lines)


def cases(results: Results) -> list[str]:
    return [case for case in ORDER if case in results]


def _row(goal: Mapping[str, object]) -> str:
    sign = "≥" if goal["at_least"] else "≤"
    limit = f"{sign} {number(goal['limit'])} {goal['unit']}".strip() if goal["limit"] is not None else ""
    found = f"{number(goal['found'])} {goal['unit']}".strip()
    return f"| {goal['goal']} | {limit} | {found} | {verdict(goal['holds'])} | {goal['note']} |"


def _machine(found: Mapping[str, object]) -> str:
    machine = cast("dict[str, object]", found["machine"])
    return (
        f"{machine['processors']} × {machine['processor']}, {machine['memory']}, Linux {machine['kernel']}, "
        f"Python {machine['python']}, pulumi {machine['pulumi']}, {machine.get('plugins', 'bundled')} plugins, "
        f"load {machine['load at the start']}"
    )


def rendered(results: Results, page: str) -> str:
    """`page` with what results.json says between its two markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    pictures = "\n\n".join(f"![{title}](performance/{name}.svg)" for name, title in charts.titles(results).items())
    every = f"<details><summary>Every measurement</summary>\n\n{measurements(results)}\n\n</details>"
    return f"{before}{BEGIN}\n{table(results)}\n\n{pictures}\n\n{every}\n{END}{after}"


def write(results: Results, page: Path = PAGE, pictures: Path = PICTURES) -> None:
    """Bring the page and its pictures up to date."""
    page.write_text(rendered(results, page.read_text(encoding="utf-8")), encoding="utf-8")
    pictures.mkdir(exist_ok=True)
    for name, drawn in charts.draw(results).items():
        (pictures / f"{name}.svg").write_text(drawn, encoding="utf-8")
