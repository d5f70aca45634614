"""`maas-ha plan`: the engine's own preview, read for an operator."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ops import plan, plan_views
from ops.cli import app
from ops.plan import ComponentPlan, FileChange, HostPlan, Plan
from tests.contract import topologies
from tests.fake_hosts.stack import FakeStack
from tests.stacks import cluster_of

SHARED_SECRET, API_KEY = "0123456789abcdef0123456789abcdef", "consumer:token:secret"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> FakeStack:
    """A stack of five hosts that is up."""
    folder = tmp_path_factory.mktemp("stack")
    stack = FakeStack(folder)
    stack.write(topologies.cluster(folder, regions=2, racks=2, pairs=1))
    stack.up()
    return stack


def planned(stack: FakeStack, cluster: dict[str, object]) -> Plan:
    stack.write(cluster)
    return plan.of_preview("dev", json.dumps(stack.preview()))


def test_nothing_to_do(running: FakeStack) -> None:
    made = planned(running, topologies.cluster(running.folder, regions=2, racks=2, pairs=1))
    assert (made.summary, made.hosts) == ("nothing to do", [])


def test_a_worker_more(running: FakeStack) -> None:
    cluster = topologies.cluster(running.folder, regions=2, racks=2, pairs=1)
    cast("dict[str, dict[str, int]]", cluster["regions"])["region2"]["workers"] = 5
    made = planned(running, cluster)
    assert made.summary == "1 host, 1 restart of maas-regiond, drain first: region2-region, PostgreSQL untouched"
    (host,) = made.hosts
    (component,) = host.components
    (file,) = component.files
    assert (host.host, component.component, component.operation) == ("region2", "region2-region", "update")
    assert (file.path, file.effect) == ("/etc/maas/regiond.conf", "restart maas-regiond.service")
    assert file.diff.splitlines()[-2:] == ["-num_workers: 4", "+num_workers: 5"]


def test_a_rack_more(running: FakeStack) -> None:
    made = planned(running, topologies.cluster(running.folder, regions=2, racks=3, pairs=1))
    assert made.summary == "1 host, 1 component made, PostgreSQL untouched"
    (host,) = made.hosts
    assert [part.component for part in host.components] == ["rack3", "rack3-rack"]
    assert host.components[0].packages == ["+maas-rack-controller"]


def test_a_rack_less(running: FakeStack) -> None:
    made = planned(running, topologies.cluster(running.folder, regions=2, racks=1))
    gone = {part.component: part.operation for host in made.hosts for part in host.components}
    assert gone["rack2-rack"] == gone["rack2"] == "delete"
    assert "PostgreSQL untouched" in made.summary


def test_another_range(running: FakeStack) -> None:
    cluster = topologies.cluster(running.folder, regions=2, racks=2, pairs=1)
    cast("list[dict[str, dict[str, str]]]", cluster["dhcp"])[0]["range"]["end"] = "10.0.1.150"
    made = planned(running, cluster)
    assert made.summary == "2 hosts, 2 restarts of maas-dhcpd, PostgreSQL untouched"
    for host in made.hosts:
        (part,) = host.components
        assert part.settings == ["range: 10.0.1.100 to 10.0.1.199 → 10.0.1.100 to 10.0.1.150"]
        assert (part.effects, part.consequence) == (["restart maas-dhcpd.service"], "restart")


def test_a_swap_is_a_failover(running: FakeStack) -> None:
    cluster = topologies.cluster(running.folder, regions=2, racks=2, pairs=1)
    pair = cast("list[dict[str, object]]", cluster["dhcp"])[0]
    pair["primary"], pair["secondary"] = pair["secondary"], pair["primary"]
    made = planned(running, cluster)
    assert "failover: dhcp-10.0.1.0-24" in made.summary
    lines = {plan_views.headline(part) for host in made.hosts for part in host.components}
    assert lines == {"update dhcp-10.0.1.0-24: failover: restart maas-dhcpd.service"}


def test_settings_are_told_by_name(running: FakeStack) -> None:
    """One region more: racks learn its URL, which no unit of theirs feels."""
    made = planned(running, topologies.cluster(running.folder, regions=3, racks=2, pairs=1))
    racks = [part for host in made.hosts if host.host.startswith("rack") for part in host.components]
    assert {part.component for part in racks} == {"rack1-rack", "rack2-rack", "dhcp-10.0.1.0-24"}
    for part in racks:
        assert (part.settings, part.effects) == (["api_urls: +http://198.18.1.3:5240/MAAS"], [])


def test_a_region_less_is_drained_first(running: FakeStack) -> None:
    made = planned(running, topologies.cluster(running.folder, regions=1, racks=2, pairs=1))
    assert "drain first: region2-region" in made.summary
    lines = [plan_views.headline(part) for host in made.hosts for part in host.components if host.host == "region2"]
    assert "delete region2-region: drain first: stopped and removed" in lines


def test_an_upgrade(running: FakeStack) -> None:
    cluster = topologies.cluster(running.folder, regions=2, racks=2, pairs=1)
    cast("dict[str, object]", cluster["maas"])["version"] = "3.5"
    made = planned(running, cluster)
    lines = [plan_views.headline(part) for host in made.hosts for part in host.components]
    assert {line for line in lines if "-upgrade" in line or "-region" in line or "-rack:" in line} == {
        "update rack1-upgrade: failover: restart maas-rackd.service, restart maas-dhcpd.service",
        "update rack1-rack: nothing is reloaded or restarted",
        "update rack2-upgrade: failover: restart maas-rackd.service, restart maas-dhcpd.service",
        "update rack2-rack: nothing is reloaded or restarted",
        "update region2-upgrade: drain first: stop maas-regiond.service",
        "update region2-region: start maas-regiond.service",
        "update region1-region: MAAS away: restart maas-regiond.service",
    }
    assert "MAAS away: region1-region" in made.summary
    [details] = [plan_views.details(p) for h in made.hosts for p in h.components if p.component == "region2-upgrade"]
    assert details == ["maas_version: 3.4 → 3.5"]


def test_another_port_of_ssh_is_no_secret(running: FakeStack) -> None:
    cluster = topologies.cluster(running.folder, regions=2, racks=2, pairs=1)
    hosts = cast("dict[str, dict[str, object]]", cluster["hosts"])
    hosts["lb1"]["port"] = 2222
    known_hosts = running.folder / "known_hosts"
    key = known_hosts.read_text().split()
    known_hosts.write_text(f"{known_hosts.read_text()}[{hosts['lb1']['address']}]:2222 {key[1]} {key[2]}\n")
    made = planned(running, cluster)
    assert {line for host in made.hosts for part in host.components for line in plan_views.details(part)} == {
        "changed (connection)"
    }


def test_a_secret_that_changes_alone(tmp_path: Path) -> None:
    """The preview doesn't show which it is: told is what may be felt of it."""
    stack = FakeStack(tmp_path)
    cluster = topologies.cluster(tmp_path, regions=2, racks=2)
    del cast("dict[str, object]", cluster["hosts"])["db1"]
    stack.write(cluster | {"database": {"external": "198.18.0.50", "name": "maasdb", "role": "maas"}})
    password = ("config", "set", "--secret", "databasePassword", "--stack", "dev")
    stack.pulumi(*password, "of the first year")
    stack.up()
    stack.pulumi(*password, "of the second year")
    made = plan.of_preview("dev", json.dumps(stack.preview()))
    lines = [plan_views.headline(part) for host in made.hosts for part in host.components]
    assert lines == [
        f"update {region}-region: perhaps restart maas-regiond.service" for region in ("region1", "region2")
    ]
    assert made.summary == "2 hosts, perhaps 2 restarts of maas-regiond, PostgreSQL untouched"


def test_connections_of_a_cluster_roll(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path)
    cluster = cluster_of("ha", tmp_path / "known_hosts")
    stack.write(cluster)
    stack.up()
    made = planned(stack, cluster | {"regions": {name: {"workers": 9} for name in ("region1", "region2", "region3")}})
    parts = [(host.host, part) for host in made.hosts for part in host.components if part.kind == "PostgresCluster"]
    assert {(host, plan_views.headline(part)) for host, part in parts} == {
        ("db1", "update postgres-cluster: reload patroni.service"),
        ("db2", "update postgres-cluster: reload patroni.service"),
        ("db3", "update postgres-cluster: reload patroni.service"),
        ("db1", "update postgres-cluster: failover: restart PostgreSQL"),
    }
    assert all([file.path for file in part.files] == ["/etc/patroni/config.yml"] for _, part in parts), parts
    assert "1 restart of PostgreSQL" in made.summary
    assert "failover: postgres-cluster" in made.summary
    assert "PostgreSQL untouched" not in made.summary


def test_no_secret_is_in_any_view(running: FakeStack) -> None:
    made = planned(running, topologies.cluster(running.folder, regions=3, racks=4, pairs=2, workers=9))
    assert "restart of postgresql@16-main" in made.summary
    for text in (made.model_dump_json(), plan_views.markdown(made), terminal(made)):
        assert SHARED_SECRET not in text
        assert API_KEY not in text


def terminal(made: Plan) -> str:
    printed = io.StringIO()
    plan_views.show(made, Console(file=printed, width=100, soft_wrap=True))
    return printed.getvalue()


def large(files: int, lines: int) -> Plan:
    parts = [
        ComponentPlan(
            component=f"part{number}",
            kind="HaproxyFrontend",
            operation="update",
            files=[
                FileChange(
                    path=f"/etc/file{number}", diff="\n".join(["--- a", "+++ b", *["+line"] * lines]), effect="nothing"
                )
            ],
        )
        for number in range(files)
    ]
    return Plan(stack="dev", summary="much", hosts=[HostPlan(host="lb1", components=parts)])


def test_a_comment_folds_its_texts() -> None:
    text = plan_views.markdown(large(files=1, lines=3))
    assert text.startswith("<!-- maas-ha plan dev -->\n### dev: much\n")
    assert "<details><summary><code>/etc/file0</code>: nothing</summary>" in text
    assert "```diff" in text


@pytest.mark.parametrize(("files", "lines"), [(1, 20_000), (40, 500), (4_000, 5)])
def test_a_comment_never_gets_too_long(files: int, lines: int) -> None:
    text = plan_views.markdown(large(files=files, lines=lines))
    assert len(text) <= plan_views.COMMENT_LIMIT
    assert "too long for a comment: run `maas-ha plan`" in text
    assert text.count("```") % 2 == 0


def test_a_text_with_a_fence_stays_inside_its_own() -> None:
    made = large(files=1, lines=1)
    made.hosts[0].components[0].files[0].diff += "\n+```\n+<b>"
    assert "````diff" in plan_views.markdown(made)


def test_the_command_asks_the_engine(running: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    running.write(topologies.cluster(running.folder, regions=2, racks=2, pairs=1, workers=3))
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(running.folder)
    for form, start in (("terminal", "dev: "), ("markdown", "<!-- maas-ha plan dev")):
        done = CliRunner().invoke(app, ["plan", "dev", "--format", form])
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(start)
        assert "2 restarts of maas-regiond" in done.stdout
    digest = plan.read("dev", running.folder).digest
    assert CliRunner().invoke(app, ["plan", "dev", "--expect", digest]).exit_code == 0
    refused = CliRunner().invoke(app, ["plan", "dev", "--expect", "0123456789ab"])
    assert refused.exit_code == 1
    assert f"this plan is {digest}; reviewed was 0123456789ab" in refused.output


def test_the_engines_reason_is_told(running: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**running.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(running.folder)
    refused = CliRunner().invoke(app, ["plan", "dev"])
    assert refused.exit_code == 1
    assert "incorrect passphrase" in refused.output
