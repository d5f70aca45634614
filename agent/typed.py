"""JSON read as a type, strictly, so that what program and agent send each other is what both mean."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing


class BundleError(ValueError):
    """JSON that can't be read: an unknown or missing field, a wrong type, or a marker without its secret."""


def read_typed(kind: object, value: object, path: str) -> object:
    """`value`, as JSON gave it, as the type `kind`, strictly: nothing is converted, nothing is ignored."""
    plain = kind is not dict and not (kind is int and isinstance(value, bool))
    if plain and isinstance(kind, type) and isinstance(value, kind):
        return value
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(value, list):
        return tuple(read_typed(parts[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {str(key): read_typed(parts[1], item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(kind, types.UnionType) and isinstance(value, typing.get_args(kind)):
        return value
    if isinstance(kind, type) and issubclass(kind, enum.Enum) and value in [member.value for member in kind]:
        return kind(value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _read_fields(kind, value, path)
    raise BundleError(f"{path}: not a {getattr(kind, '__name__', kind)}")


def _read_fields(kind: type, value: dict[str, object], path: str) -> object:
    hints = typing.get_type_hints(kind)
    required = {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if unknown := sorted(value.keys() - hints.keys()):
        raise BundleError(f"{path}: unknown field {', '.join(unknown)}")
    if missing := sorted(required - value.keys()):
        raise BundleError(f"{path}: missing field {', '.join(missing)}")
    return kind(**{name: read_typed(hints[name], item, f"{path}.{name}") for name, item in value.items()})
