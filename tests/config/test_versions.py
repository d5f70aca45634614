"""The table of versions: whole, the same in program and agent, and the only place that knows a version."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from agent.packaging import PACKAGINGS, RELEASES, rack_log, region_log, snap_unit
from config.topology import MaasVersion
from config.versions import VERSIONS

PROJECT = Path(__file__).parents[2]


def test_every_version_has_its_row_in_program_and_agent() -> None:
    assert set(VERSIONS) == set(get_args(MaasVersion)) == set(RELEASES)


@pytest.mark.parametrize("version", get_args(MaasVersion))
@pytest.mark.parametrize("packaging", PACKAGINGS)
def test_every_version_says_where_it_logs(version: str, packaging: str) -> None:
    logs = (region_log(packaging, version), rack_log(packaging, version))
    assert all(log.endswith("d.log") for log in logs) if version == "3.4" else logs == ("", "")
    assert snap_unit(version).startswith("snap.maas.")


def test_later_versions_only_add() -> None:
    """What a region balances, runs and listens on grew from version to version (maas-facts §8)."""
    rows = list(VERSIONS.values())
    for before, after in pairwise(rows):
        assert set(before.balanced_ports) <= set(after.balanced_ports)
        assert set(before.region_units) <= set(after.region_units)
        assert set(before.region_ports) <= set(after.region_ports)
        assert before.min_postgres <= after.min_postgres


def test_no_code_asks_for_a_version_by_its_number() -> None:
    """Only the two tables and the type name versions; defaults of settings are no questions."""
    asking = re.compile(r"""(?:[=!<>]=|[<>]|\bin|case)\s*[("'\[{]+3\.[4-9]["']|\(3, [4-9]\)""")
    for room in ("agent", "components", "config", "ops"):
        for path in (PROJECT / room).rglob("*.py"):
            found = [line for line in path.read_text(encoding="utf-8").splitlines() if asking.search(line)]
            assert found == [], path
