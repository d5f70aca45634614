"""The firewall's one rule for a lab, with an `iptables` that keeps its rules in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import firewall
from lab.errors import LabError

IPTABLES = """#!/bin/sh
[ -e {folder}/broken ] && {{ echo "no chain" >&2; exit 4; }}
shift
action=$1
shift
rules={folder}/rules
case $action in
    --check) grep -qxF -e "$*" "$rules" ;;
    --insert) echo "$*" >> "$rules" ;;
    --delete) grep -qxF -e "$*" "$rules" && grep -vxF -e "$*" "$rules" > "$rules.new"; mv "$rules.new" "$rules" ;;
esac
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rules").write_text("FORWARD of another\n")
    (tmp_path / "filtered").write_text("1\n")
    (tmp_path / "iptables").write_text(IPTABLES.format(folder=tmp_path))
    (tmp_path / "iptables").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(firewall, "_BRIDGED_PACKETS_ARE_FILTERED", tmp_path / "filtered")
    return tmp_path / "rules"


def test_the_rule_is_made_once_and_taken_away(rules: Path) -> None:
    firewall.allow_within("lab-x")
    firewall.allow_within("lab-x")
    assert rules.read_text().splitlines() == [
        "FORWARD of another",
        "FORWARD --in-interface lab-x --out-interface lab-x --jump ACCEPT",
    ]
    firewall.forget("lab-x")
    assert rules.read_text() == "FORWARD of another\n"


@pytest.mark.parametrize("flag", ["0\n", None])
def test_a_machine_that_does_not_filter_bridges_is_left_alone(rules: Path, flag: str | None) -> None:
    filtered = rules.with_name("filtered")
    filtered.unlink() if flag is None else filtered.write_text(flag)
    firewall.allow_within("lab-x")
    firewall.forget("lab-x")
    assert rules.read_text() == "FORWARD of another\n"


def test_a_firewall_that_refuses_is_quoted(rules: Path) -> None:
    rules.with_name("broken").touch()
    with pytest.raises(LabError, match="can't be told to let the lab's hosts talk: no chain"):
        firewall.allow_within("lab-x")
