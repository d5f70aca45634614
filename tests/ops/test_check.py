"""`maas-ha check`: every problem at once, with no engine and no host."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ops.cli import app
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
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"findings": []})


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


def test_neither_the_engine_nor_ssh_is_loaded_for_it() -> None:
    """They take longer to import than half a second, the time that a check may take."""
    program = "import sys, ops.cli; print(sorted({'pulumi', 'asyncssh', 'rich.console', 'grpc'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
