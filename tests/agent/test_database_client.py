"""Which psql is run."""

from __future__ import annotations

from pathlib import Path

from agent.database_client import newest_psql
from agent.paths import Paths


def test_the_newest_psql_without_its_wrapper(tmp_path: Path) -> None:
    assert newest_psql(Paths(tmp_path)) == "psql"
    for version in ("9.6", "15", "14"):
        (tmp_path / "usr/lib/postgresql" / version / "bin").mkdir(parents=True)
        (tmp_path / "usr/lib/postgresql" / version / "bin/psql").touch()
    assert newest_psql(Paths(tmp_path)) == str(tmp_path / "usr/lib/postgresql/15/bin/psql")
