"""Diff: which inputs changed, with a path for each (plugin-contract FACTS 1 to 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from toolchain.plugins.values import Properties, Value, has_unknown

IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class Change(Enum):
    """How the value at a path changed."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


def changes(olds: Properties, news: Properties) -> dict[str, Change]:
    """The changed paths. Being secret is part of a value, and a change inside a secret is a change of the whole."""
    return dict(_object(olds, news, ""))


def _object(olds: Properties, news: Properties, prefix: str) -> Iterator[tuple[str, Change]]:
    for key in sorted(olds.keys() | news.keys()):
        path = _member(prefix, key)
        if key not in news:
            yield path, Change.DELETE
        elif key not in olds:
            yield path, Change.ADD
        else:
            yield from _value(olds[key], news[key], path)


def _array(olds: list[Value], news: list[Value], prefix: str) -> Iterator[tuple[str, Change]]:
    for index in range(max(len(olds), len(news))):
        path = f"{prefix}[{index}]"
        if index >= len(news):
            yield path, Change.DELETE
        elif index >= len(olds):
            yield path, Change.ADD
        else:
            yield from _value(olds[index], news[index], path)


def _value(old: Value, new: Value, path: str) -> Iterator[tuple[str, Change]]:
    match old, new:
        case dict(), dict():
            yield from _object(old, new, path)
        case list(), list():
            yield from _array(old, new, path)
        case _ if differs(old, new):
            yield path, Change.UPDATE


def differs(old: Value, new: Value) -> bool:
    """Whether a value is another one; an unknown one counts as changed."""
    return has_unknown(new) or isinstance(old, bool) != isinstance(new, bool) or old != new


def _member(prefix: str, key: str) -> str:
    if not IDENTIFIER.fullmatch(key):
        escaped = key.replace('"', '\\"')
        return f'{prefix}["{escaped}"]'
    return f"{prefix}.{key}" if prefix else key
