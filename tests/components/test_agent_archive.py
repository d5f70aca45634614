"""What a host is given to run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from components.agent_archive import build, code, launcher

AGENT = Path(__file__).parents[2] / "agent"
MODULES = sorted(AGENT.rglob("*.py"))


def test_it_is_the_same_each_time() -> None:
    assert build() == build()
    assert launcher().startswith("#!/bin/sh\n")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(AGENT).as_posix())
def test_only_comments_and_docstrings_are_left_out_and_every_line_has_its_number(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    shipped = code(source)
    assert _statements(shipped) == _statements(source)
    assert len(shipped.splitlines()) == len(source.splitlines())


def _statements(source: str) -> list[tuple[int, str]]:
    """Line and dump of every statement, docstrings as if they were empty."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return [(node.lineno, ast.dump(node)) for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def test_code_by_example() -> None:
    source = '''"""Of two
lines."""
# A remark.
class Empty:
    """Nothing # else."""

limit = "# 3"  # hosts
"""What it means."""
'''
    assert (
        code(source)
        == """""


class Empty:
    ""

limit = "# 3"
""
"""
    )
