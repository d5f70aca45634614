"""A dead host's controllers leave MAAS on purpose: in the right order, and never those of a host that lives."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import asyncssh
import pytest
from typer.testing import CliRunner

from agent.maas_api import MaasApi, RefusedError
from ops import forget, forget_in_maas
from ops.cli import app
from ops.engine import EngineError
from ops.forget import Connection, connection_of
from ops.stack import Outputs
from tests.agent.fake_maas import FakeMaas
from tests.ops.test_forget import STATE

HERE = Path()


def silent_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def state(port: int) -> str:
    """The state of test_forget, rack2 behind a port of this machine."""
    found = json.loads(STATE)
    for resource in found["deployment"]["resources"]:
        if "inputs" in resource:
            connection = {"host": "127.0.0.1", "port": port, "user": "deploy", "hostKey": "ssh-ed25519 AAAA"}
            resource["inputs"]["connection"] = {
                "4dabf18193072939515e22adb298388d": "x",
                "plaintext": json.dumps(connection),
            }
    return json.dumps(found)


@pytest.fixture
def imported(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The states that the engine was given."""
    given: list[str] = []
    exported = state(silent_port())

    def pulumi(stack: str, project: Path, *arguments: str, stdin: str = "") -> str:
        if arguments[:2] == ("stack", "import"):
            given.append(stdin)
        return exported

    monkeypatch.setattr(forget, "pulumi", pulumi)
    monkeypatch.setattr(forget_in_maas, "pulumi", pulumi)
    monkeypatch.setattr(forget_in_maas, "read_outputs", lambda stack, project: outputs)
    return given


@pytest.mark.parametrize(
    ("primary", "secondary", "requests"),
    [
        ("rack1", "rack2", ["PUT vlans/5001/ secondary_rack=", "DELETE rackcontrollers/rack2/"]),
        ("rack2", "rack1", ["PUT vlans/5001/ primary_rack=rack1", "DELETE rackcontrollers/rack2/"]),
        (None, None, ["DELETE rackcontrollers/rack2/"]),
    ],
)
def test_a_dead_rack(
    maas: FakeMaas, imported: list[str], primary: str | None, secondary: str | None, requests: list[str]
) -> None:
    maas.racks["rack2"]["service_set"] = [{"name": "rackd", "status": "dead", "status_info": ""}]
    maas.vlan |= {"primary_rack": primary, "secondary_rack": secondary}
    done = CliRunner().invoke(app, ["forget", "dev", "rack2", "--delete-from-maas"])
    assert done.exit_code == 0, done.output
    assert maas.requests == requests
    assert "MAAS has forgotten the rack rack2 (rack2)" in done.stdout
    (left,) = imported
    assert "rack2" not in left


def test_the_last_rack_of_a_vlan_takes_its_dhcp_along(maas: FakeMaas, imported: list[str]) -> None:
    del maas.racks["rack1"]
    maas.racks["rack2"]["service_set"] = [{"name": "rackd", "status": "dead", "status_info": ""}]
    maas.vlan |= {"primary_rack": "rack2", "dhcp_on": True}
    done = CliRunner().invoke(app, ["forget", "dev", "rack2", "--delete-from-maas"])
    assert done.exit_code == 0, done.output
    assert maas.requests == [
        "DELETE rackcontrollers/rack2/",
        "PUT vlans/5001/ dhcp_on=false",
        "PUT vlans/5001/ primary_rack=",
        "DELETE rackcontrollers/rack2/",
    ]


def test_refused_while_maas_sees_it_connected(maas: FakeMaas, imported: list[str]) -> None:
    done = CliRunner().invoke(app, ["forget", "dev", "rack2", "--delete-from-maas"])
    assert done.exit_code == 1
    assert "MAAS still sees rack2 connected (MAAS calls its rackd running): nothing was done" in done.stderr
    assert (maas.requests, imported) == ([], [])


def test_refused_while_its_event_loops_are_listed(maas: FakeMaas, imported: list[str]) -> None:
    maas.racks.clear()
    maas.event_loops["rack2:pid=1"] = []
    with pytest.raises(EngineError, match="MAAS lists its event loops"):
        forget_in_maas.forget("dev", HERE, "rack2")
    assert imported == []


def test_a_refusal_tells_what_was_done_before_it(
    maas: FakeMaas, imported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    maas.racks["rack2"]["service_set"] = []
    maas.vlan |= {"primary_rack": "rack1", "secondary_rack": "rack2"}

    def refuse(api: MaasApi, system_id: str) -> None:
        raise RefusedError("MAAS refuses it: 503", 503, "busy")

    monkeypatch.setattr(MaasApi, "delete_rack", refuse)
    done = CliRunner().invoke(app, ["forget", "dev", "rack2", "--delete-from-maas"])
    assert done.exit_code == 1
    assert "MAAS refuses it: 503" in done.stderr
    assert "VLAN 5001 (198.51.100.0/24) loses its secondary rack" in done.stderr
    assert imported == []


def test_a_host_that_maas_does_not_know(maas: FakeMaas, imported: list[str]) -> None:
    del maas.racks["rack2"]
    assert forget_in_maas.forget("dev", HERE, "rack2") == ["MAAS knows no controller called rack2"]


def test_without_the_option_maas_is_not_asked(maas: FakeMaas, imported: list[str]) -> None:
    maas.down = 502
    done = CliRunner().invoke(app, ["forget", "dev", "rack2", "--json"])
    assert json.loads(done.stdout) == {"forgotten": ["rack2-bootstrap", "rack2-rack-apply"], "in_maas": []}


def test_refused_while_the_host_answers(maas: FakeMaas, imported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def yes(connection: Connection) -> bool:
        return True

    monkeypatch.setattr(forget_in_maas, "answers", yes)
    with pytest.raises(EngineError, match=r"rack2 still answers over SSH at 127\.0\.0\.1: nothing was done"):
        forget_in_maas.forget("dev", HERE, "rack2")
    assert (maas.requests, imported) == ([], [])


def test_only_the_machine_of_that_key_answers() -> None:
    own, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))

    def line(key: asyncssh.SSHKey) -> str:
        return key.export_public_key().decode().strip()

    async def ask() -> list[bool]:
        server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[own])
        async with server:
            keys = (line(own), line(other), "ssh-rsa AAAA")
            at = [Connection(host="127.0.0.1", port=server.get_port(), hostKey=key) for key in keys]
            found = [await forget_in_maas.answers(connection) for connection in at]
        server.close()
        return found

    assert asyncio.run(ask()) == [True, False, False]


def test_the_connection_may_be_a_secret_or_not() -> None:
    plain = json.loads(state(22))
    for resource in plain["deployment"]["resources"]:
        if "inputs" in resource:
            resource["inputs"]["connection"] = json.loads(resource["inputs"]["connection"]["plaintext"])
    for exported in (state(22), json.dumps(plain)):
        assert connection_of(exported, "rack1").host == "127.0.0.1"
    with pytest.raises(EngineError, match="no host 'rack9'"):
        connection_of(STATE, "rack9")
