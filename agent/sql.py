"""Quoting for PostgreSQL."""

from __future__ import annotations


def literal(text: str) -> str:
    """`text` as an SQL string."""
    quoted = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{quoted}'" if "\\" in text else f"'{quoted}'"


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def pgpass_field(text: str) -> str:
    """`text` as a field of a password file."""
    return text.replace("\\", "\\\\").replace(":", "\\:")
