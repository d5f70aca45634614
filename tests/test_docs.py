"""The tables of docs/procedures.md: whole, with tests that exist and fields that the stack file has."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
from pydantic import BaseModel

from config.topology import Topology

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "procedures.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| (?!procedure |mistake )", line)
]
PROCEDURES = [row for row in ROWS if len(row) == 5]


def test_every_row_is_whole() -> None:
    assert len(PROCEDURES) >= 17
    assert {len(row) for row in ROWS} == {3, 5}
    assert [row for row in ROWS if not all(row)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_a_test_that_exists(row: list[str]) -> None:
    column = row[3] if len(row) == 5 else row[2]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", column)
    assert named, column
    for path, name in named:
        tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        tests = {each for each in defined if each.startswith(("test_", "Test"))}
        assert name in tests if name else tests, f"{path}::{name}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_cites_a_section(row: list[str]) -> None:
    assert "§" in (row[4] if len(row) == 5 else row[0]), row[0]


@pytest.mark.parametrize("row", PROCEDURES, ids=lambda row: row[0])
def test_a_row_names_fields_that_the_stack_file_has(row: list[str]) -> None:
    for field in re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)*)(?::[^`]*)?`", row[1]):
        name = f"dhcp.0.{field}" if field in ("enabled", "mode") else field
        assert _fits(Topology, name.split(".")), field


def _fits(kind: object, path: list[str]) -> bool:
    """True if something of type `kind` can have `path`, names of dict keys and indices left open."""
    if not path:
        return True
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(path[0])
        return field is not None and _fits(field.annotation, path[1:])
    if get_origin(kind) is Annotated:
        return _fits(get_args(kind)[0], path)
    if get_origin(kind) in (dict, tuple):
        return _fits(get_args(kind)[-1 if get_origin(kind) is dict else 0], path[1:])
    return any(_fits(member, path) for member in get_args(kind))
