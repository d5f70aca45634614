"""Templates to text. Rendering is strict (an unknown name fails) and repeatable (equal input, equal text)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable
from pathlib import Path

import jinja2

from agent.bundle import Effect, File, Settings


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


def shown_in_preview(files: Iterable[File]) -> dict[str, object]:
    """The files as a component's inputs: path → text, in which secrets are only named, and what units will feel."""
    files = tuple(files)
    return {file.path: file.content for file in files} | {"effects": {file.path: effect_of(file) for file in files}}


def effect_of(file: File) -> str:
    """What a change of the file is felt as: `restart maas-regiond.service`, or `nothing`."""
    if file.effect is Effect.NOTHING:
        return Effect.NOTHING.value
    return ", ".join(f"{file.effect.value} {unit}" for unit in file.units)


def settings_in_preview(settings: Settings, *, in_files: Collection[str] = ()) -> dict[str, str]:
    """What the agent is told beside files, by name: no secret is among settings.

    Left out is what is empty, and what the component's files show anyway (`in_files`).
    """
    told = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {name: _in_words(value) for name, value in told.items() if value and name not in in_files}


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
