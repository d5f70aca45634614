"""The inputs of a resource type of the random and tls plugins: their types, defaults and what a change of one means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from toolchain.plugins.protocol import PluginError
from toolchain.plugins.values import Properties, Secret, Unknown, Value, has_unknown, plain

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(Enum):
    """The type of an input."""

    TEXT = "a string"
    WHOLE = "a whole number"
    SWITCH = "a boolean"
    TEXTS = "a list of strings"
    OBJECT = "an object"


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `choices` and `least` bound its value (for a list, of each item)."""

    name: str
    kind: Kind
    required: bool = False
    default: Value = None
    secret: bool = False
    replaces: bool = True
    choices: tuple[str, ...] = ()
    least: float | None = None


def failures(fields: Iterable[Field], resource: str, news: Properties) -> list[str]:
    """What is wrong with the inputs of `resource`, in the official plugins' words where these are known.

    Raises PluginError for a value that cannot be converted to its input's type.
    """
    found = []
    for field in fields:
        value = convert(field, news.get(field.name))
        if value is None and field.required:
            found.append(f"Missing required property '{field.name}'")
        elif value is not None and (problem := _problem(field, value)):
            found.append(f"Invalid Attribute Value. {problem}. Examine values at '{resource}.{field.name}'.")
    return found


def planned(fields: Iterable[Field], news: Properties) -> Properties:
    """The inputs as they will be in the state: converted, with defaults; an input that is absent stays so."""
    plan: Properties = {}
    for field in fields:
        value = convert(field, news.get(field.name))
        value = field.default if value is None else value
        if value is not None:
            plan[field.name] = value
    return plan


def with_secrets(names: Iterable[str], properties: Properties) -> Properties:
    """The properties with those of the given names marked secret (an unknown one stays plain, as the official do)."""
    marked = dict(properties)
    for name in names:
        value = marked.get(name)
        if value is not None and not isinstance(value, Secret | Unknown):
            marked[name] = Secret(value)
    return marked


def refuse_unknown_inputs(fields: Iterable[Field], type_: str, news: Properties) -> None:
    """Raise PluginError for an input that the resource type does not have."""
    names = {field.name for field in fields}
    if unknown := sorted(key for key in news if key not in names and not key.startswith("__")):
        raise PluginError(f"{type_} has no input {', '.join(map(repr, unknown))}; it has: {', '.join(sorted(names))}")


def convert(field: Field, value: Value) -> Value:
    """The value in its input's type, as lenient as the official plugins ("12" is a number); unknown stays unknown.

    Raises PluginError, naming the input and never its value.
    """
    bare = plain(value)
    if bare is None or has_unknown(bare):
        return bare
    match field.kind, bare:
        case (Kind.WHOLE, bool()) | (Kind.TEXT | Kind.TEXTS, bool()):
            pass
        case (Kind.WHOLE, int() | float()) | (Kind.TEXT, str()) | (Kind.SWITCH, bool()) | (Kind.OBJECT, dict()):
            return bare
        case Kind.WHOLE, str():
            try:
                return float(bare)
            except ValueError:
                pass
        case Kind.SWITCH, "true" | "false":
            return bare == "true"
        case Kind.TEXT, int() | float():
            return f"{bare:g}"
        case Kind.TEXTS, list() if all(isinstance(item, str) for item in bare):
            return bare
    raise PluginError(f"the value of {field.name!r} is not {field.kind.value}")


def whole(value: Value) -> int:
    """A converted number as an integer; absent counts as 0."""
    return int(value) if isinstance(value, int | float) else 0


def texts(value: Value) -> list[str]:
    """A converted list of strings; absent counts as empty."""
    return [str(item) for item in value] if isinstance(value, list) else []


def _problem(field: Field, value: Value) -> str:
    if has_unknown(value):
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"Attribute {field.name} value must be a whole number, got: {value}"
    if field.least is not None and isinstance(value, int | float) and value < field.least:
        return f"Attribute {field.name} value must be at least {field.least:g}, got: {value:g}"
    items = value if isinstance(value, list) else [value]
    if field.choices and (wrong := [item for item in items if item not in field.choices]):
        return f"Attribute {field.name} value must be one of {', '.join(field.choices)}, got: {wrong[0]!r}"
    return ""
