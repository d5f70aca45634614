"""The paths of changed inputs, as the engine shows them and matches them with replaceOnChanges."""

from __future__ import annotations

import pytest

from toolchain.plugins.command.differences import Change, changes
from toolchain.plugins.command.quoting import quoted
from toolchain.plugins.values import Properties, Secret, Unknown


@pytest.mark.parametrize(
    ("olds", "news", "expected"),
    [
        ({"a": "x"}, {"a": "x"}, {}),
        ({}, {"a": None}, {"a": Change.ADD}),
        ({"a": {"b.c": "1"}}, {"a": {"b.c": "2"}}, {'a["b.c"]': Change.UPDATE}),
        ({"a": [{"b": 1.0}]}, {"a": [{"b": 2.0}]}, {"a[0].b": Change.UPDATE}),
        ({"a": [1.0, 2.0]}, {"a": [1.0]}, {"a[1]": Change.DELETE}),
        ({"a": True}, {"a": 1.0}, {"a": Change.UPDATE}),
        ({"a": "x"}, {"a": Unknown()}, {"a": Change.UPDATE}),
        ({"a": {"b": "x"}}, {"a": Secret({"b": "x"})}, {"a": Change.UPDATE}),
        ({"a": Secret({"b": "x"})}, {"a": Secret({"b": "x"})}, {}),
        ({"a": Secret({"b": "x"})}, {"a": Secret({"b": Unknown()})}, {"a": Change.UPDATE}),
    ],
)
def test_each_changed_path_is_named(olds: Properties, news: Properties, expected: dict[str, Change]) -> None:
    assert changes(olds, news) == expected


def test_a_command_is_quoted_as_go_does() -> None:
    assert quoted('a "b" \\ \n\t\x1b \x7f ü € \u200b \U000e0001') == (
        '"a \\"b\\" \\\\ \\n\\t\\x1b \\x7f ü € \\u200b \\U000e0001"'
    )
