"""A database that the operator brings: no PostgreSQL of ours, and its password only on standard input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pulumi
import pytest
from pulumi.runtime import set_all_config

from agent.bundle import Bundle, RegionSettings
from config.finding import StackFileError
from config.load import load
from tests.contract import recorder
from tests.stacks import cluster_of

PASSWORD = "From the operator: 'spaces' & all"
KEY = "maas-ha:databasePassword"


@pytest.fixture
def external(tmp_path: Path) -> dict[str, object]:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    del cast("dict[str, object]", cluster["hosts"])["db1"]
    return cluster | {"database": {"external": "2001:db8::5", "port": 6432, "name": "maas_db", "role": "maas_role"}}


def settings_of(program: dict[str, recorder.Recorded], region: str) -> tuple[Bundle, RegionSettings]:
    bundle = Bundle.from_json(str(recorder.plain(program[f"{region}-region-apply"].inputs["stdin"])))
    assert isinstance(bundle.settings, RegionSettings)
    return bundle, bundle.settings


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_no_postgres_of_ours_and_no_password_in_the_open(external: dict[str, object], preview: bool) -> None:
    program = recorder.run(external, preview=preview, secret_config={"databasePassword": PASSWORD})
    assert not [name for name, item in program.items() if "PostgresPrimary" in item.type or "postgres" in name]
    for item in program.values():
        shown = {name: value for name, value in item.inputs.items() if not recorder.is_secret(value)}
        assert PASSWORD not in json.dumps(shown), item.name
    regiond_conf = str(program["region1-region"].inputs["/etc/maas/regiond.conf"])
    assert "database_host: 2001:db8::5\n" in regiond_conf
    assert "database_port: 6432\n" in regiond_conf


def test_regions_check_it_for_the_whole_budget(external: dict[str, object]) -> None:
    program = recorder.run(external, preview=False, secret_config={"databasePassword": PASSWORD})
    for region in ("region1", "region2"):
        bundle, settings = settings_of(program, region)
        assert bundle.secrets["database_password"] == PASSWORD
        assert (settings.database_host, settings.database_port) == ("2001:db8::5", 6432)
        assert (settings.database, settings.role) == ("maas_db", "maas_role")
        assert (settings.external, settings.min_postgres, settings.connections) == (True, 14, 77)


def test_our_own_is_not_checked(tmp_path: Path) -> None:
    program = recorder.run(cluster_of("dev", tmp_path / "known_hosts"), preview=False)
    assert not settings_of(program, "region1")[1].external


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "is missing"),
        ({KEY: ""}, "is missing"),
        ({KEY: "in the clear"}, "is in the clear"),
    ],
)
def test_password_that_is_no_secret(external: dict[str, object], config: dict[str, str], says: str) -> None:
    set_all_config({"maas-ha:cluster": json.dumps(external), **config}, [])
    with pytest.raises(StackFileError) as caught:
        load(Path("/"))
    (finding,) = caught.value.findings
    assert (finding.path, finding.problem.startswith(says)) == (KEY, True)
    assert "pulumi config set --secret databasePassword" in finding.remedy


@pytest.mark.parametrize("password", ['a"b', "a\\b", "a\nb", "ä", "a\x7f"])
def test_password_that_a_file_cannot_hold(external: dict[str, object], password: str) -> None:
    set_all_config({"maas-ha:cluster": json.dumps(external), KEY: password}, [KEY])
    with pytest.raises(StackFileError, match=r"which regiond\.conf can't take as it is") as caught:
        load(Path("/"))
    assert password not in str(caught.value).replace('(")', "").replace("a backslash", "")


def test_password_is_missing_beside_other_problems(external: dict[str, object]) -> None:
    set_all_config({"maas-ha:cluster": json.dumps(external | {"racks": ["nobody"]})}, [])
    with pytest.raises(StackFileError) as caught:
        load(Path("/"))
    assert {finding.path for finding in caught.value.findings} >= {"racks[0]", KEY}


def test_more_than_eight_workers_are_advised_against(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    recorder.run(cluster, preview=True)
    assert warnings == []
    recorder.run(cluster | {"regions": {"region1": {"workers": 9}, "region2": {"workers": 8}}}, preview=True)
    assert len(warnings) == 1
    assert warnings[0].startswith("regions.region1.workers: 9 workers are more than the 8")
