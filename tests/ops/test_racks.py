"""`maas-ha racks`: MAAS's word and the rack's own connections, side by side."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from config.stack_file import Cluster
from ops import racks
from ops.cli import app
from ops.hosts import Answer, NoAnswer
from ops.racks import Racks
from ops.stack import Outputs
from ops.table import show_racks
from tests.agent.fake_maas import FakeMaas

BOTH = Answer(json.dumps({"event_loops": ["198.51.100.21:5250", "[2001:db8::22]:5250"]}), 0)


@pytest.fixture
def answers(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer | NoAnswer]:
    """What the racks' agents answer; those that aren't in it are connected to all."""
    given: dict[str, Answer | NoAnswer] = {}

    async def ask_all(cluster: Cluster, hosts: list[str], command: str) -> dict[str, Answer | NoAnswer]:
        assert command == "status"
        return {host: given.get(host, BOTH) for host in hosts}

    monkeypatch.setattr(racks, "ask_all", ask_all)
    monkeypatch.setattr(racks, "read_outputs", lambda stack, project: outputs)
    return given


def listed(code: int) -> Racks:
    """What `maas-ha racks dev --json` prints, ending with `code`."""
    done = CliRunner().invoke(app, ["racks", "dev", "--json"])
    assert done.exit_code == code, done.output
    return Racks.model_validate_json(done.stdout)


def test_all_is_well(maas: FakeMaas, answers: dict[str, Answer | NoAnswer]) -> None:
    maas.racks["rack1"]["version"] = "3.4.10-14366-g.518bf2c80"
    maas.vlan |= {"primary_rack": "rack1", "secondary_rack": "rack2", "dhcp_on": True}
    seen = listed(0)
    one, two = seen.racks
    assert (one.name, one.system_id, one.version, one.services) == ("rack1", "rack1", "3.4.10", {"rackd": "running"})
    assert one.event_loops == seen.event_loops == ["region1:pid=11", "region2:pid=22"]
    served = [(vlan.vlan, vlan.subnets, vlan.role, vlan.dhcp_on) for rack in (one, two) for vlan in rack.vlans]
    assert served == [(5001, ["198.51.100.0/24"], "primary", True), (5001, ["198.51.100.0/24"], "secondary", True)]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (NoAnswer("no answer within 20 s"), "rack2: its host was not asked: no answer within 20 s"),
        (
            Answer("", 1, "sudo: a password is required\n"),
            "rack2: the agent there gave no answer (exit 1: sudo: a password is required);"
            " where it isn't deployed yet, run `pulumi up`",
        ),
        (Answer('{"event_loops": ["198.51.100.21:5250"]}', 0), "rack2: not connected to region2:pid=22"),
    ],
)
def test_a_rack_that_is_not_well(
    maas: FakeMaas, answers: dict[str, Answer | NoAnswer], answer: Answer | NoAnswer, problem: str
) -> None:
    answers["rack2"] = answer
    assert listed(1).problems == [problem]


def test_what_maas_says(maas: FakeMaas, answers: dict[str, Answer | NoAnswer]) -> None:
    maas.add_rack("rack1", "degraded")
    maas.racks["rack1"]["hostname"] = "rack1"
    maas.add_rack("other")
    del maas.racks["rack2"]
    assert listed(1).problems == [
        "host-other: it is not in the stack file: delete it in MAAS, or add it",
        "rack1: rackd is degraded (50% connected)",
        "rack2: MAAS knows no such rack",
    ]


def test_maas_that_does_not_answer(maas: FakeMaas, answers: dict[str, Answer | NoAnswer]) -> None:
    maas.down = 502
    done = CliRunner().invoke(app, ["racks", "dev"])
    assert done.exit_code == 1
    assert "error: MAAS behind http://127.0.0.1" in done.stderr


def test_the_table_fits_100_columns(maas: FakeMaas, answers: dict[str, Answer | NoAnswer]) -> None:
    names = ("rackd", "tftp", "http", "dhcpd", "dhcpd6", "ntp_rack", "proxy_rack", "syslog_rack", "agent")
    maas.racks["rack1"]["service_set"] = [
        {"name": name, "status": "off" if name == "dhcpd6" else "running", "status_info": ""} for name in names
    ]
    maas.vlan |= {"primary_rack": "rack1", "secondary_rack": "rack2", "dhcp_on": True}
    seen = listed(0)
    console = Console(width=200, file=io.StringIO(), record=True)
    show_racks(seen, console)
    printed = console.export_text()
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 100
    assert "off: dhcpd6" in printed
    assert "region1 1/1" in printed
