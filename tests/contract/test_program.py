"""What the program registers, whatever the hosts do: secrets, host keys, order, names, and how far a change reaches."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from pulumi.runtime.rpc import UNKNOWN

from agent.bundle import Bundle, DhcpSettings
from policy.predicates import COMMAND, PREDICATES, Command
from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.stacks import HOST_KEY, cluster_of

PREVIEW_AND_UPDATE = pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
SECRETS = (recorder.PASSWORD, "private", recorder.SHARED_SECRET, recorder.API_KEY)


@pytest.fixture
def dev(tmp_path: Path) -> dict[str, object]:
    return cluster_of("dev", tmp_path / "known_hosts")


def commands(program: dict[str, Recorded]) -> list[Recorded]:
    found = [item for item in program.values() if item.type == COMMAND]
    assert found
    return found


def bundle_of(command: Recorded) -> Bundle:
    """The bundle that an update sends; a bootstrap has the agent on the line before."""
    return Bundle.from_json(str(recorder.plain(command.inputs["stdin"])).strip().splitlines()[-1])


@PREVIEW_AND_UPDATE
def test_every_command_is_pinned_bounded_and_quiet(dev: dict[str, object], preview: bool) -> None:
    for command in commands(recorder.run(dev, preview=preview)):
        limits = command.request.customTimeouts
        inputs = cast("dict[str, object]", recorder.plain(command.inputs))
        seconds = [float(limit.removesuffix("s") or 0) for limit in (limits.create, limits.update, limits.delete)]
        asked = Command(inputs, (seconds[0], seconds[1], seconds[2]))
        assert [problem for predicate in PREDICATES.values() for problem in predicate(asked)] == []
        assert cast("dict[str, object]", inputs["connection"])["hostKey"] == HOST_KEY
        assert cast("list[str]", command.inputs["triggers"])[1] == HOST_KEY
        assert command.request.deleteBeforeReplace
        assert set(command.request.additionalSecretOutputs) >= {"stdout", "stderr"}
        for verb in ("create", "delete"):
            assert "sudo -n " in str(inputs[verb])


@PREVIEW_AND_UPDATE
def test_no_secret_leaves_by_another_way_than_secret_stdin(dev: dict[str, object], preview: bool) -> None:
    for resource in recorder.run(dev, preview=preview).values():
        shown = {name: value for name, value in resource.inputs.items() if not recorder.is_secret(value)}
        text = json.dumps(shown)
        assert not [secret for secret in SECRETS if secret in text], resource.name
        if resource.type == COMMAND:
            assert recorder.is_secret(resource.inputs["stdin"])


@PREVIEW_AND_UPDATE
def test_children_belong_to_their_component_by_parent_and_name(dev: dict[str, object], preview: bool) -> None:
    program = recorder.run(dev, preview=preview)
    for resource in program.values():
        parent = resource.request.parent.rsplit("::", 1)[1]
        if resource.type.startswith("maas:index:"):
            assert parent == "maas-ha-dev"
        else:
            assert program[parent].type.startswith("maas:index:")
            assert resource.name.startswith(f"{parent}-")


def test_a_preview_shows_every_file_in_full(dev: dict[str, object]) -> None:
    program = recorder.run(dev, preview=True)
    shown = program["lb1-haproxy"].inputs["/etc/haproxy/haproxy.cfg"]
    assert "server region2 198.51.100.22:5240" in str(shown)
    assert 'database_pass: "<<secret:database_password>>"' in str(
        program["region1-region"].inputs["/etc/maas/regiond.conf"]
    )
    assert "- http://198.51.100.41/MAAS\n- http" in str(program["rack2-rack"].inputs["/etc/maas/rackd.conf"])
    for resource in program.values():
        if resource.type.startswith("maas:index:"):
            assert UNKNOWN not in json.dumps(resource.inputs), resource.name


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("db1-bootstrap", "db1-postgres-apply"),
        ("db1-postgres-apply", "region1-region-apply"),
        ("region1-region-apply", "region2-region-apply"),
        ("region2-region-apply", "rack1-rack-apply"),
        ("lb1-haproxy-apply", "region1-region-apply"),
        ("rack1-rack-apply", "rack2-rack-apply"),
        ("rack2-rack-apply", "dhcp-198.51.100.0-24-rack1"),
        ("dhcp-198.51.100.0-24-rack1", "dhcp-198.51.100.0-24-rack2"),
    ],
)
def test_order(dev: dict[str, object], before: str, after: str) -> None:
    assert before in recorder.run(dev, preview=False)[after].dependencies()


def test_a_secondary_runs_again_where_its_primary_s_command_is_made_anew(dev: dict[str, object]) -> None:
    program, name = recorder.run(dev, preview=False), "dhcp-198.51.100.0-24"
    for rack, follows in (("rack1", ""), ("rack2", f"{name}-rack1-id")):
        settings = bundle_of(program[f"{name}-{rack}"]).settings
        assert isinstance(settings, DhcpSettings)
        assert settings.follows == follows


def test_a_rack_is_after_the_balancer_by_way_of_the_regions(dev: dict[str, object]) -> None:
    program = recorder.run(dev, preview=False)
    regions = {"region1-region-apply", "region2-region-apply"}
    assert regions <= program["rack1-rack-apply"].dependencies()
    assert all("lb1-haproxy-apply" in program[region].dependencies() for region in regions)


def test_what_an_older_maas_would_change_waits_for_regions_hosts_to_agree(dev: dict[str, object]) -> None:
    program, agreed = recorder.run(dev, preview=False), {"region1-bootstrap", "region2-bootstrap"}
    assert program["lb1-haproxy-apply"].dependencies() == {"lb1-bootstrap", *agreed}
    assert agreed < program["db1-postgres-apply"].dependencies()


def test_an_upgrade_goes_from_racks_by_holds_to_the_first_region(dev: dict[str, object]) -> None:
    program = recorder.run(dev, preview=False)
    ready = {"db1-postgres-apply", "lb1-haproxy-apply"}
    assert program["rack1-upgrade"].dependencies() == {"rack1-bootstrap", *ready}
    assert program["rack2-upgrade"].dependencies() == {"rack2-bootstrap", "rack1-upgrade", *ready}
    assert program["region2-upgrade"].dependencies() == {"region2-bootstrap", "rack1-upgrade", "rack2-upgrade", *ready}
    assert "region2-upgrade" in program["region1-region-apply"].dependencies()
    assert "region1-upgrade" not in program


def test_snaps_have_no_such_steps(dev: dict[str, object]) -> None:
    cast("dict[str, object]", dev["maas"])["packaging"] = "snap"
    assert not [name for name in recorder.run(dev, preview=False) if name.endswith("-upgrade")]


def test_commands_of_one_host_run_one_after_the_other(dev: dict[str, object]) -> None:
    program = recorder.run(dev, preview=False)
    by_host: dict[str, list[Recorded]] = {}
    for command in commands(program):
        connection = cast("dict[str, str]", recorder.plain(command.inputs["connection"]))
        by_host.setdefault(connection["host"], []).append(command)
    for sequence in by_host.values():
        ordered = sorted(sequence, key=lambda command: len(_all_before(program, command)))
        for earlier, later in itertools.pairwise(ordered):
            assert earlier.name in _all_before(program, later)


def _all_before(program: dict[str, Recorded], command: Recorded) -> set[str]:
    direct = command.dependencies() & program.keys()
    return direct.union(*(_all_before(program, program[name]) for name in direct)) if direct else direct


@PREVIEW_AND_UPDATE
def test_running_twice_registers_the_same(dev: dict[str, object], preview: bool) -> None:
    first, second = (recorder.run(copy.deepcopy(dev), preview=preview) for _ in range(2))
    assert {name: item.inputs for name, item in first.items()} == {name: item.inputs for name, item in second.items()}


def test_every_bundle_can_be_read_by_the_agent(dev: dict[str, object]) -> None:
    for command in commands(recorder.run(dev, preview=False)):
        assert bundle_of(command).host


Change = Callable[[dict[str, object]], None]


def more_workers(cluster: dict[str, object]) -> None:
    cast("dict[str, dict[str, int]]", cluster["regions"])["region1"]["workers"] = 3


def many_workers(cluster: dict[str, object]) -> None:
    cast("dict[str, dict[str, int]]", cluster["regions"])["region1"]["workers"] = 8


def third_rack(cluster: dict[str, object]) -> None:
    cast("dict[str, object]", cluster["hosts"])["rack3"] = {"address": "198.51.100.33"}
    cast("list[str]", cluster["racks"]).append("rack3")
    known_hosts = Path(cast("dict[str, str]", cluster["ssh"])["known_hosts"])
    known_hosts.write_text(known_hosts.read_text(encoding="utf-8") + f"198.51.100.33 {HOST_KEY}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        (more_workers, {"region1-region-apply"}),
        (many_workers, {"region1-region-apply", "db1-postgres-apply"}),
        (third_rack, {"rack3-bootstrap", "rack3-upgrade", "rack3-rack-apply"}),
    ],
)
def test_a_change_reaches_only_what_it_must(dev: dict[str, object], change: Change, touched: set[str]) -> None:
    before = {command.name: command.inputs for command in commands(recorder.run(dev, preview=False))}
    change(dev)
    after = {command.name: command.inputs for command in commands(recorder.run(dev, preview=False))}
    assert {name for name in after if before.get(name) != after[name]} == touched
    assert before.keys() <= after.keys()
