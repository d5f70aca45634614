"""Templates to text. Rendering is strict (an unknown name fails) and repeatable (equal input, equal text)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import jinja2

from agent.bundle import File


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  configuration files, no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: object) -> str:
    """The text of `templates/<template>` with `values` put in."""
    return _environment().get_template(template).render(**values)


def shown_in_preview(files: Iterable[File]) -> dict[str, str]:
    """The files as a component's inputs: path → text, in which secrets are only named."""
    return {file.path: file.content for file in files}
