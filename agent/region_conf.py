"""regiond.conf as far as its flat `key: value` lines go (maas-facts §2)."""

from __future__ import annotations

import re

LINE = re.compile(r"^([a-z_]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)

DATABASE = ("database_host", "database_port", "database_name", "database_user")
"""Keys by which two regions are of one cluster."""
DEFAULTS = {"database_host": "localhost", "database_port": "5432", "database_name": "maasdb", "database_user": "maas"}


def keys_of(text: str) -> dict[str, str]:
    """Key → value, without quotes."""
    return {match[1]: _plain(match[2]) for match in LINE.finditer(text)}


def database_of(keys: dict[str, str]) -> str:
    """`USER@HOST:PORT/NAME` of the database that the keys name."""
    host, port, name, user = ({**DEFAULTS, **keys}[key] for key in DATABASE)
    return f"{user}@{host}:{port}/{name}"


def changed_keys(old: dict[str, str], new: dict[str, str]) -> set[str]:
    """Keys that came, went, or have another value."""
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _plain(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
