"""`maas-ha check`: every problem at once, with no engine and no host."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ops.cli import app
from tests.contract import topologies
from tests.stacks import cluster_of


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("PATH", "")
    return cluster_of("dev", tmp_path / "known_hosts")


def write(cluster: dict[str, object]) -> None:
    Path("Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"maas-ha:cluster": cluster}}), encoding="utf-8")


def test_a_stack_file_that_can_work(cluster: dict[str, object]) -> None:
    write(cluster)
    done = CliRunner().invoke(app, ["check", "dev"])
    assert (done.exit_code, done.stdout) == (0, "Pulumi.dev.yaml can work\n")
    done = CliRunner().invoke(app, ["check", "dev", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"findings": [], "advice": []})


def test_advice_is_no_problem(cluster: dict[str, object]) -> None:
    write(cluster | {"regions": {"region1": {"workers": 9}, "region2": {"workers": 8}}})
    done = CliRunner().invoke(app, ["check", "dev"])
    assert done.exit_code == 0
    assert done.stdout.startswith("advice: regions.region1.workers: 9 workers are more than the 8 that")
    assert done.stdout.endswith("\nPulumi.dev.yaml can work\n")
    done = CliRunner().invoke(app, ["check", "dev", "--json"])
    assert [found["path"] for found in json.loads(done.stdout)["advice"]] == ["regions.region1.workers"]


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (None, "is missing"),
        ({}, "is missing"),
        ("in the clear", "is in the clear"),
        ({"secure": "v1:abc:def"}, ""),
    ],
)
def test_password_of_an_external_database_is_stored_as_a_secret(
    cluster: dict[str, object], stored: object, says: str
) -> None:
    hosts = cluster["hosts"]
    assert isinstance(hosts, dict)
    del hosts["db1"]
    content: dict[str, object] = {"maas-ha:cluster": cluster | {"database": {"external": "198.51.100.5"}}}
    content |= {} if stored is None else {"maas-ha:databasePassword": stored}
    Path("Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": content}), encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "dev", "--json"])
    found = [(item["path"], item["problem"]) for item in json.loads(done.stdout)["findings"]]
    assert [path for path, _ in found] == (["maas-ha:databasePassword"] if says else [])
    assert all(problem.startswith(says) for _, problem in found)
    assert "in the clear" not in done.stdout.replace("is in the clear", "")


def test_every_problem_is_told_at_once(cluster: dict[str, object]) -> None:
    write(cluster | {"racks": ["rack1", "rack9"], "loadbalancer": {"host": "lb1"}})
    done = CliRunner().invoke(app, ["check", "dev"])
    assert done.exit_code == 1
    assert "loadbalancer: is no field that this program knows; did you mean 'load_balancer'?" in done.output
    write(cluster | {"racks": ["rack1", "rack9"]})
    done = CliRunner().invoke(app, ["check", "dev", "--json"])
    assert done.exit_code == 1
    paths = [finding["path"] for finding in json.loads(done.stdout)["findings"]]
    assert "racks[1]" in paths
    assert "dhcp[0].secondary" in paths


LOADS = {"annotated_doc", "annotated_types", "config", "ops", "pydantic", "pydantic_core", "shellingham", "typer"}
LOADS |= {"cython_runtime", "typing_extensions", "typing_inspection", "yaml"}
"""All that a check may load of what isn't Python's own."""


def test_a_check_loads_only_what_it_needs() -> None:
    """The engine, SSH and tables take longer to import than half a second, the time that a check may take."""
    program = "import sys, ops.cli, ops.check; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "asyncio" not in loaded
    assert {name for name in loaded - sys.stdlib_module_names if not name.startswith("_")} - LOADS <= {"sitecustomize"}


def seconds_of_cpu(*programs: str) -> list[float]:
    """The least that each program took in six runs, in turn."""
    spent: list[list[float]] = [[] for _ in programs]
    for _ in range(6):
        for program, seconds in zip(programs, spent, strict=True):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return [min(seconds) for seconds in spent]


def test_two_hundred_hosts_take_little_longer_than_the_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the imports of pydantic and yaml take 0.1 s, the whole check takes less than half a second."""
    monkeypatch.chdir(tmp_path)
    write(topologies.cluster(tmp_path, regions=10, racks=188, pairs=90))
    check = "from ops.cli import app; app(['check', 'dev'])"
    imports, checked = seconds_of_cpu("import pydantic, yaml", check)
    assert checked < 5 * imports
