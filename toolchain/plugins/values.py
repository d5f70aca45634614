"""Property values of the provider protocol, and their encoding in protobuf structs (plugin-contract FACTS).

A secret, an unknown and an asset travel as structs or strings with a signature; here they are types of their own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
BYTES = "803fd3297a5875dc03ca845dda5d2a98"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is only known after the deployment."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine encrypts in the state and masks on the screen."""

    value: Value


@dataclass(frozen=True, slots=True)
class Special:
    """An asset, an archive or a resource reference: `fields` without the signature, passed on as they came."""

    signature: str
    fields: dict[str, Value]


Value: TypeAlias = "bool | float | str | bytes | list[Value] | dict[str, Value] | Secret | Special | Unknown | None"
Properties: TypeAlias = "dict[str, Value]"

UNKNOWN = Unknown()


def decode(struct: struct_pb2.Struct) -> Properties:
    """The properties in a message's struct; output values become plain, secret or unknown ones."""
    return {key: _decoded(value) for key, value in struct.fields.items()}


def encode(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """The struct to put into a message.

    Text that is not UTF-8 is a `bytes` value and travels in base64.
    """
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value)
    return struct


def plain(value: Value) -> Value:
    """The value with every secret wrapper taken off, at any depth."""
    match value:
        case Secret():
            return plain(value.value)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


def has_unknown(value: Value) -> bool:
    """Whether some part of the value is unknown."""
    match value:
        case Unknown():
            return True
        case Secret():
            return has_unknown(value.value)
        case dict():
            return any(has_unknown(item) for item in value.values())
        case list():
            return any(has_unknown(item) for item in value)
        case _:
            return False


def text_or_bytes(data: bytes) -> str | bytes:
    """Program output as text if it is UTF-8, else as it is."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _decoded(value: struct_pb2.Value) -> Value:
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            return value.number_value
        case "string_value":
            return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
        case "list_value":
            return [_decoded(item) for item in value.list_value.values]
        case "struct_value":
            return _decoded_object(decode(value.struct_value))
        case _:
            return None


def _decoded_object(fields: Properties) -> Value:
    match fields.pop(SIGNATURE, None):
        case None:
            return fields
        case str(signature) if signature == SECRET:
            return Secret(fields.get("value"))
        case str(signature) if signature == OUTPUT:
            known = fields.get("value", UNKNOWN)
            return Secret(known) if fields.get("secret") is True else known
        case str(signature) if signature == BYTES:
            return base64.b64decode(str(fields.get("value", "")))
        case signature:
            return Special(str(signature), fields)


def _fill(target: struct_pb2.Value, value: Value) -> None:
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case Unknown():
            target.string_value = UNKNOWN_TEXT
        case bytes():
            _fill(target, {SIGNATURE: BYTES, "value": base64.b64encode(value).decode()})
        case Secret():
            _fill(target, {SIGNATURE: SECRET, "value": value.value})
        case Special():
            _fill(target, {SIGNATURE: value.signature, **value.fields})
        case list():
            target.list_value.SetInParent()  # an empty list is a list
            for item in value:
                _fill(target.list_value.values.add(), item)
        case dict():
            target.struct_value.SetInParent()
            for key, item in value.items():
                _fill(target.struct_value.fields[key], item)
