"""`maas-ha verify`: clean, drifted, unreachable. The agent's own answers are tested with the agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from config.stack_file import Cluster
from ops import verify
from ops.cli import app
from ops.hosts import Answer, NoAnswer
from tests.stacks import cluster_of

DRIFTED = Answer(json.dumps([{"component": "rack1-rack", "text": "/etc/maas/rackd.conf has other content"}]), 1)
SILENT = NoAnswer("no answer within 20 s")


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer | NoAnswer]:
    """What the hosts answer; those that aren't in it are as they were left."""
    given: dict[str, Answer | NoAnswer] = {}

    async def ask_all(cluster: Cluster, hosts: list[str], command: str) -> dict[str, Answer | NoAnswer]:
        assert command == "verify --json"
        return {host: given.get(host, Answer("[]\n", 0)) for host in hosts}

    monkeypatch.setattr(verify, "ask_all", ask_all)
    monkeypatch.chdir(tmp_path)
    content = {"config": {"maas-ha:cluster": cluster_of("dev", tmp_path / "known_hosts")}}
    Path("Pulumi.dev.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return given


@pytest.mark.parametrize(
    ("said", "code", "printed"),
    [
        ({}, 0, "6 hosts are as the last update left them"),
        ({"rack1": DRIFTED}, 1, "rack1: rack1-rack: /etc/maas/rackd.conf has other content"),
        ({"rack2": SILENT}, 2, "rack2: no answer within 20 s"),
        (
            {"rack1": DRIFTED, "rack2": SILENT},
            2,
            "rack1: rack1-rack: /etc/maas/rackd.conf has other content\nrack2: no",
        ),
        ({"db1": Answer("", 127)}, 2, "db1: the agent there gave no answer (exit 127)"),
    ],
)
def test_verify_tells_by_text_and_exit_code(
    said: dict[str, Answer | NoAnswer], code: int, printed: str, answers: dict[str, Answer | NoAnswer]
) -> None:
    answers |= said
    done = CliRunner().invoke(app, ["verify", "dev"])
    assert done.exit_code == code, done.output
    assert printed in done.stdout


def test_verify_tells_in_json(answers: dict[str, Answer | NoAnswer]) -> None:
    answers["rack1"] = DRIFTED
    done = CliRunner().invoke(app, ["verify", "dev", "--json"])
    assert done.exit_code == 1
    hosts = {host["host"]: host for host in json.loads(done.stdout)["hosts"]}
    assert len(hosts) == 6
    assert hosts["rack1"]["differences"] == json.loads(DRIFTED.stdout)
