"""`maas-ha verify`: clean, drifted, unreachable. The agent's own answers are tested with the agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from config.stack_file import Cluster
from ops import repair, verify
from ops.cli import app
from ops.engine import COMMAND
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


class TestRepair:
    """The state's own commands, once more."""

    @pytest.fixture
    def ran(self, answers: dict[str, Answer | NoAnswer], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
        """(Host, command, standard input) of each that was run; each gives the output that the state has."""
        ran: list[tuple[str, str, str]] = []

        async def run_on(
            cluster: Cluster, host: str, command: str, seconds: float, *, stdin: str = ""
        ) -> Answer | NoAnswer:
            ran.append((host, command, stdin))
            return answers.get("repair", Answer('{"system_id": "abc123"}\n', 0))

        def pulumi(stack: str, project: Path, *arguments: str) -> str:
            assert arguments == ("stack", "export", "--show-secrets")
            return json.dumps({"deployment": {"resources": STATE}})

        monkeypatch.setattr(repair, "run_on", run_on)
        monkeypatch.setattr(repair, "pulumi", pulumi)
        return ran

    def test_in_order_and_secrets_on_standard_input_alone(self, ran: list[tuple[str, str, str]]) -> None:
        done = CliRunner().invoke(app, ["verify", "dev", "--repair", "rack1"])
        assert done.exit_code == 0, done.output
        assert ran == [("rack1", "bootstrap", "agent\nhunter2\n"), ("rack1", "apply", "hunter2")]
        assert done.stdout == "as the last update left it\n"
        assert done.stderr == "rack1: rack1-bootstrap\nrack1: rack1-rack-apply\n"

    @pytest.mark.parametrize(
        ("said", "code", "told"),
        [
            (Answer("", 1, "rack1: it failed"), 1, "error: rack1: rack1-bootstrap failed:\nrack1: it failed"),
            (SILENT, 2, "error: rack1: rack1-bootstrap: no answer within 20 s"),
            (Answer('{"system_id": "new"}', 0), 1, "another one now (system_id), which the state doesn't know"),
        ],
    )
    def test_it_stops_at_the_first_failure(
        self,
        said: Answer | NoAnswer,
        code: int,
        told: str,
        answers: dict[str, Answer | NoAnswer],
        ran: list[tuple[str, str, str]],
    ) -> None:
        answers["repair"] = said
        done = CliRunner().invoke(app, ["verify", "dev", "--repair", "rack1"])
        assert done.exit_code == code
        assert told in done.stderr
        assert "hunter2" not in done.output

    def test_what_is_still_wrong_is_told(
        self, answers: dict[str, Answer | NoAnswer], ran: list[tuple[str, str, str]]
    ) -> None:
        answers["rack1"] = DRIFTED
        answers["rack2"] = SILENT  # another host, which isn't asked
        assert CliRunner().invoke(app, ["verify", "dev", "--repair", "rack1"]).exit_code == 1

    @pytest.mark.parametrize(
        ("host", "told"), [("rack9", "knows no host 'rack9'"), ("lb1", "has put nothing on lb1 yet")]
    )
    def test_a_host_that_it_does_not_know(self, host: str, told: str, ran: list[tuple[str, str, str]]) -> None:
        done = CliRunner().invoke(app, ["verify", "dev", "--repair", host])
        assert done.exit_code == 1
        assert told in done.stderr
        assert ran == []


def command(name: str, host: str, create: str, stdin: str) -> dict[str, object]:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(stdin)}
    inputs = {"create": create, "stdin": secret, "triggers": [host, "ssh-ed25519 AAAA"]}
    stdout = {**secret, "plaintext": json.dumps('{"system_id": "abc123"}\n')}
    return {"urn": f"urn::{name}", "type": COMMAND, "inputs": inputs, "outputs": {"stdout": stdout}}


STATE = [
    {"urn": "urn::maas-ha-dev", "type": "pulumi:pulumi:Stack"},
    command("rack1-bootstrap", "rack1", "bootstrap", "agent\nhunter2\n"),
    command("rack2-bootstrap", "rack2", "bootstrap", "agent"),
    command("rack1-rack-apply", "rack1", "apply", "hunter2"),
]
