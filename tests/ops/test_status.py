"""`maas-ha status`: one screen of what MAAS and every host say, and a name for whoever says nothing."""

from __future__ import annotations

import io
import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from config.stack_file import Cluster
from ops import maas_said, status
from ops.cli import app
from ops.hosts import Answer, NoAnswer
from ops.stack import Outputs
from ops.status import Status
from ops.table import show
from tests.agent.fake_maas import FakeMaas
from tests.authority import Authority, ec_key

LOOPS = ["198.51.100.21:5250", "198.51.100.22:5250"]
SILENT = NoAnswer("no answer within 20 s")


def answer(**told: object) -> Answer:
    return Answer(json.dumps({"told": {"component": told}, "event_loops": LOOPS, "dhcp": PEERS}), 0)


PEERS = {"failover-vlan-5001": "normal/normal"}
BOTH_UP = {"region1": "UP", "region2": "UP"}


@pytest.fixture
def answers(outputs: Outputs, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer | NoAnswer]:
    """What the hosts' agents answer; a cluster that is well."""
    given: dict[str, Answer | NoAnswer] = dict.fromkeys(("region1", "region2", "rack1", "rack2"), answer())
    given["db1"] = answer(connections={"used": 40, "allowed": 97})
    given["lb1"] = answer(regions=BOTH_UP)

    async def ask_all(cluster: Cluster, hosts: list[str], command: str) -> dict[str, Answer | NoAnswer]:
        assert command == "status"
        return {host: given[host] for host in hosts}

    monkeypatch.setattr(status, "ask_all", ask_all)
    monkeypatch.setattr(status, "read_outputs", lambda stack, project: outputs)
    maas.regions = dict.fromkeys(BOTH_UP, "")
    maas.hostnames = {name: name for name in BOTH_UP}
    maas.event_loops = {
        f"{region}:pid={pid}": [[f"198.51.100.2{number}", port]]
        for number, region in ((1, "region1"), (2, "region2"))
        for pid, port in ((1, 5250), (2, 5251))
    }
    for name in given:
        if name.startswith("rack"):
            ends = [f"198.51.100.2{number}:{port}" for number in (1, 2) for port in (5250, 5251)]
            given[name] = Answer(json.dumps({"event_loops": ends, "dhcp": PEERS}), 0)
    maas.vlan |= {"primary_rack": "rack1", "secondary_rack": "rack2", "dhcp_on": True}
    return given


def seen(code: int) -> Status:
    done = CliRunner().invoke(app, ["status", "dev", "--json"])
    assert done.exit_code == code, done.output
    return Status.model_validate_json(done.stdout)


def test_all_is_well(answers: dict[str, Answer | NoAnswer]) -> None:
    found = seen(0)
    assert found.problems == []
    assert [(one.host, one.role, one.connections, one.allowed) for one in found.databases] == [
        ("db1", "primary", 40, 97)
    ]
    assert [(one.host, one.regions) for one in found.balancers] == [("lb1", BOTH_UP)]
    assert [(rack.name, rack.regions) for rack in found.racks] == [
        (name, {"region1": "2/2", "region2": "2/2"}) for name in ("rack1", "rack2")
    ]


def test_a_screen_of_100_columns(answers: dict[str, Answer | NoAnswer]) -> None:
    console = Console(width=100, file=io.StringIO(), record=True)
    show(seen(0), console)
    printed = console.export_text().splitlines()
    for words in (
        ("database", "db1", "primary, 40 of 97 connections"),
        ("balancer", "lb1", "region1 UP, region2 UP"),
        ("rack", "rack1", "rackd running: region1 2/2, region2 2/2"),
        ("dhcpd on rack2", "normal/normal"),
    ):
        assert any(all(word in line for word in words) for line in printed), (words, printed)
    assert max(len(line.rstrip()) for line in printed) <= 100


@pytest.mark.parametrize(
    ("host", "said", "problem"),
    [
        ("region2", SILENT, "region2: no answer within 20 s"),
        (
            "region2",
            Answer("", 127),
            "region2: the agent there gave no answer (exit 127); where it isn't deployed yet, run `pulumi up`",
        ),
        ("lb1", answer(regions={"region1": "UP", "region2": "DOWN"}), "lb1: region2 is DOWN"),
        ("lb1", answer(regions={}), "lb1: HAProxy doesn't answer"),
        ("db1", answer(connections={"used": 95, "allowed": 97}), "db1: 95 of 97 connections are taken"),
        ("db1", answer(connections={"used": None, "allowed": 97}), "db1: PostgreSQL doesn't answer"),
    ],
)
def test_what_is_wrong_is_told_beside_the_rest(
    host: str, said: Answer | NoAnswer, problem: str, answers: dict[str, Answer | NoAnswer]
) -> None:
    answers[host] = said
    found = seen(1)
    assert found.problems == [problem]
    assert len(found.racks) == 2


def member(role: str, lag: int | None, **more: object) -> Answer:
    """A host of a database cluster: Patroni's answer and etcd's."""
    part = {"role": role, "state": "running", "lag_bytes": lag}
    patroni = {"member": part, "connections": {"used": 8, "allowed": 90}, **more}
    return Answer(json.dumps({"told": {"patroni": patroni, "etcd": {"etcd": ""}}, "event_loops": []}), 0)


@pytest.fixture
def cluster(answers: dict[str, Answer | NoAnswer]) -> dict[str, Answer | NoAnswer]:
    """The same with three database hosts and two balancers that share an address."""
    path = Path("Pulumi.dev.yaml")
    content = yaml.safe_load(path.read_text())
    wanted = content["config"]["maas-ha:cluster"]
    wanted["hosts"] |= {f"db{number}": {"address": f"198.51.100.{10 + number}"} for number in (2, 3)}
    wanted["hosts"]["lb2"] = {"address": "198.51.100.42"}
    wanted["database"] = {"cluster": ["db1", "db2", "db3"], "version": 15}
    wanted["load_balancer"] = {"hosts": ["lb1", "lb2"], "virtual_address": "198.51.100.40/24"}
    path.write_text(yaml.safe_dump(content))
    known = Path(wanted["ssh"]["known_hosts"])
    key = known.read_text().split()[1:3]
    known.write_text(
        "".join(f"198.51.100.{number} {' '.join(key)}\n" for number in (11, 12, 13, 21, 22, 31, 32, 41, 42))
    )
    answers |= {"db1": member("sync standby", 0), "db2": member("leader", None), "db3": member("replica", 512)}
    answers |= {"lb1": balancer(held=False), "lb2": balancer(held=True)}
    answers["region1"] = answer(leaders=["db2"])
    return answers


def balancer(*, held: bool) -> Answer:
    shared = {"shared_address": {"address": "198.51.100.40", "held": held}}
    return Answer(json.dumps({"told": {"haproxy": {"regions": BOTH_UP}, "keepalived": shared}, "event_loops": []}), 0)


def test_a_database_cluster_and_a_shared_address(cluster: dict[str, Answer | NoAnswer]) -> None:
    found = seen(0)
    assert [(one.host, one.role, one.lag_bytes, one.connections, one.etcd) for one in found.databases] == [
        ("db1", "sync standby", 0, 8, "healthy"),
        ("db2", "leader", None, 8, "healthy"),
        ("db3", "replica", 512, 8, "healthy"),
    ]
    assert {one.host: one.holds for one in found.balancers} == {"lb1": False, "lb2": True}
    console = Console(width=100, file=io.StringIO(), record=True)
    show(found, console)
    printed = console.export_text()
    assert "leader, 8 of 90 connections, etcd healthy" in printed
    assert "replica, 512 bytes behind, 8 of 90 connections, etcd healthy" in printed
    assert "shared address, region1 UP, region2 UP" in printed


@pytest.mark.parametrize(
    ("host", "said", "problem"),
    [
        ("db1", SILENT, "no replica is synchronous: writes are on the leader alone"),
        ("db2", SILENT, "no database host that answers leads"),
        ("db3", member("leader", None), "db2 and db3 both say that they lead the database"),
        (
            "db3",
            member("replica", None, member={"role": "replica", "state": "stopped", "lag_bytes": None}),
            "db3: PostgreSQL is stopped",
        ),
        ("region1", answer(leaders=["db1"]), "region1: its way to the database goes to db1"),
        ("lb1", balancer(held=True), "lb1 and lb2 have the shared address at once"),
        ("lb2", balancer(held=False), "no balancer that answers has the shared address"),
    ],
)
def test_what_is_wrong_with_them(
    host: str, said: Answer | NoAnswer, problem: str, cluster: dict[str, Answer | NoAnswer]
) -> None:
    cluster[host] = said
    assert problem in seen(1).problems


@pytest.mark.parametrize(("days", "problems"), [(300, 0), (5, 1)])
def test_the_end_of_a_certificate(days: int, problems: int, answers: dict[str, Answer | NoAnswer]) -> None:
    pem = Authority().certificate(ec_key(), "region1", valid=timedelta(days=days, hours=1))
    answers["region1"] = answer(certificates={"MAAS": pem})
    found = seen(1 if problems else 0)
    assert [(one.name, one.days) for one in found.certificates] == [("MAAS on region1", days)]
    assert found.problems == ["certificate of MAAS on region1: 5 days left: run `pulumi up`"][:problems]


def test_maas_that_hangs_is_named_and_the_hosts_are_still_shown(
    answers: dict[str, Answer | NoAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maas_said, "MAAS_SECONDS", 0.2)
    asked = threading.Event()
    monkeypatch.setattr(maas_said, "_ask_maas", lambda cluster, outputs: asked.wait(60))
    try:
        found = seen(1)
    finally:
        asked.set()
    assert len(found.problems) == 1
    assert found.problems[0].endswith("no answer within 0 s")
    assert found.balancers[0].regions == BOTH_UP


def test_watching_looks_again_until_it_is_told_to_end(
    answers: dict[str, Answer | NoAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        answers["lb1"] = answer(regions={"region1": "UP", "region2": "DRAIN"})
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("ops.cli.time.sleep", pause)
    done = CliRunner().invoke(app, ["status", "dev", "--watch", "--json"])
    assert done.exit_code == 0
    first, second = (Status.model_validate_json(line) for line in done.stdout.splitlines())
    assert (first.problems, second.problems) == ([], ["lb1: region2 is DRAIN"])
