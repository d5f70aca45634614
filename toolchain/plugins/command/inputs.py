"""Check: the inputs of remote.Command, their types, defaults and secrets (plugin-contract FACTS)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from toolchain.plugins.values import ARCHIVE, ASSET, Properties, Secret, Special, Unknown, Value, plain

SECRET_FIELDS = frozenset({"privateKey", "privateKeyPassword", "password"})
CONNECTION_DEFAULTS: Properties = {"port": 22, "user": "root", "dialErrorLimit": 10, "perDialTimeout": 15}
# what the official plugin adds to an asset or archive inside a trigger
ASSET_FIELDS: dict[str, Properties] = {
    ASSET: {"text": "", "path": "", "uri": ""},
    ARCHIVE: {"path": "", "uri": ""},
}


class Failure(NamedTuple):
    """What is wrong with an input."""

    property: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shape:
    """An object type of the plugin: its fields' types and those that must be there."""

    name: str
    fields: dict[str, str]
    required: frozenset[str] = field(default_factory=frozenset)


_PROXY_FIELDS = {
    **dict.fromkeys(("host", "user", "password", "privateKey", "privateKeyPassword"), "string"),
    **dict.fromkeys(("agentSocketPath", "hostKey"), "string"),
    **dict.fromkeys(("port", "dialErrorLimit", "perDialTimeout"), "float64"),
}
PROXY = Shape("remote.ProxyConnection", _PROXY_FIELDS, frozenset({"host"}))
CONNECTION = Shape("remote.Connection", {**_PROXY_FIELDS, "proxy": "object"}, frozenset({"host"}))
INPUTS = Shape(
    "remote.CommandInputs",
    {
        **dict.fromkeys(("create", "update", "delete", "stdin", "logging"), "string"),
        "connection": "object",
        "environment": "map",
        "triggers": "array",
        "addPreviousOutputInEnv": "bool",
    },
    frozenset({"connection"}),
)


def check(news: Properties) -> tuple[Properties, list[Failure]]:
    """The inputs as the engine is to keep them, and what is wrong with them.

    Wrong inputs come back all the same, without defaults.
    """
    inputs = {key: _without_nulls(value) for key, value in news.items() if value is not None}
    if isinstance(inputs.get("triggers"), list | Secret):
        inputs["triggers"] = _with_asset_fields(news["triggers"])
    failures = _failures(INPUTS, inputs)
    failures += _connection_failures(inputs.get("connection"))
    if "connection" in inputs:
        inputs["connection"] = _secret(_connection(inputs["connection"], fill=not failures))
    return inputs, failures


def _failures(shape: Shape, fields: Properties) -> list[Failure]:
    missing = [
        Failure(name, f"Missing required field '{name}' on '{shape.name}'")
        for name in sorted(shape.required - fields.keys())
    ]
    return missing + [found for name, value in fields.items() if (found := _failure(shape, name, value))]


def _failure(shape: Shape, name: str, value: Value) -> Failure | None:
    if name not in shape.fields:
        return Failure(name, f"Unrecognized field '{name}' on '{shape.name}'")
    wanted, got = shape.fields[name], _kind(value)
    if got in (wanted, "unknown") or (wanted == "object" and got == "map"):
        wrong = _wrong_entry(value) if wanted == "map" else ""
        return Failure(name, f"Field '{name}' on '{shape.name}': {wrong} is no 'string'") if wrong else None
    return Failure(name, f"Field '{name}' on '{shape.name}' must be a '{wanted}'; got '{got}' instead")


def _wrong_entry(value: Value) -> str:
    entries = plain(value)
    if isinstance(entries, dict):
        return next((repr(key) for key, item in entries.items() if _kind(item) not in ("string", "unknown")), "")
    return ""


def _connection_failures(connection: Value) -> list[Failure]:
    fields = plain(connection)
    if not isinstance(fields, dict):
        return []
    found = _failures(CONNECTION, fields)
    if isinstance(proxy := fields.get("proxy"), dict):
        found += [Failure(f"proxy.{name}", reason) for name, reason in _failures(PROXY, proxy)]
    if not found:
        return []
    lines = "".join(f"\n\t{name}: {reason}" for name, reason in found)
    text = f"An error occurred decoding 'CommandInputs.connection': {len(found)} failures decoding:{lines}"
    return [Failure("connection", text)]


def _kind(value: Value) -> str:
    """The name of a value's type in failures."""
    match plain(value):
        case Unknown():
            return "unknown"
        case bool():
            return "bool"
        case int() | float():
            return "float64"
        case str() | bytes():
            return "string"
        case list():
            return "array"
        case dict():
            return "map"
        case Special():
            return "asset"
        case _:
            return "null"


def _connection(value: Value, *, fill: bool) -> Value:
    """A connection (or its proxy) with its secret parts marked and, on demand, its defaults filled in."""
    match value:
        case Secret():
            return Secret(_connection(value.value, fill=fill))
        case dict():
            fields = {**(CONNECTION_DEFAULTS if fill else {}), **value}
            marked = {key: _secret(item) if key in SECRET_FIELDS else item for key, item in fields.items()}
            if "proxy" in marked:
                marked["proxy"] = _connection(marked["proxy"], fill=fill)
            return marked
        case _:
            return value


def _secret(value: Value) -> Value:
    return value if isinstance(value, Secret) else Secret(value)


def _without_nulls(value: Value) -> Value:
    match value:
        case Secret():
            return Secret(_without_nulls(value.value))
        case dict():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case _:
            return value


def _with_asset_fields(value: Value) -> Value:
    match value:
        case Secret():
            return Secret(_with_asset_fields(value.value))
        case list():
            return [_with_asset_fields(item) for item in value]
        case dict():
            return {key: _with_asset_fields(item) for key, item in value.items()}
        case Special() if value.signature in ASSET_FIELDS:
            return Special(value.signature, {**ASSET_FIELDS[value.signature], **value.fields})
        case _:
            return value
