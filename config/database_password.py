"""The password of the role in an external database: a secret of the stack's configuration, never in the topology."""

from __future__ import annotations

import re
from dataclasses import dataclass

from config.finding import Finding

NAME = "databasePassword"
PATH = f"maas-ha:{NAME}"
SET = f"run `pulumi config set --secret {NAME}`"


@dataclass(frozen=True)
class Place:
    """Where the password is given, and how."""

    path: str
    remedy: str


STACK_FILE = Place(PATH, SET)

FORM = re.compile(r"[ !#-\[\]-~]+")
"""Printable ASCII without quote and backslash, which would end or change the text in regiond.conf."""


def is_wanted(raw: object) -> bool:
    """True if the value of `maas-ha:cluster`, checked or not, names an external database."""
    database = raw.get("database") if isinstance(raw, dict) else None
    return isinstance(database, dict) and "external" in database


def of_value(password: str, *, secret: bool, place: Place = STACK_FILE) -> list[Finding]:
    """What is wrong with a value, which is in no text."""
    if not password:
        return [Finding(place.path, "is missing: the password of database.role on the external server", place.remedy)]
    if not secret:
        return [Finding(place.path, "is in the clear", f"{place.remedy}, and change it on the server, for it was seen")]
    if not FORM.fullmatch(password):
        problem = (
            "holds a quote (\"), a backslash, or what isn't printable ASCII, which regiond.conf can't take as it is"
        )
        return [Finding(place.path, problem, f"give the role another password, then {place.remedy}")]
    return []


def as_stored(config: dict[object, object]) -> list[Finding]:
    """What is wrong with the entry in a stack file's `config`, as far as can be told without decrypting it."""
    stored = config.get(PATH)
    encrypted = isinstance(stored, dict) and bool(stored.get("secure"))
    return [] if encrypted else of_value(stored if isinstance(stored, str) else "", secret=False)
