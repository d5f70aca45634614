"""The picture of a run of drills, for people: an image and a page."""

from __future__ import annotations

from pathlib import Path

from ops.drill_report import Report


def write(report: Report, stem: Path) -> tuple[Path, Path]:
    """Write `stem`.png and `stem`.html (which needs no network) and tell their paths. Raises `OSError`.

    matplotlib and plotly are loaded here and not before: no other command waits for them.
    """
    from ops import drill_html, drill_png

    image, page = (stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "html"))
    drill_png.write(report, image)
    drill_html.write(report, page)
    return image, page
