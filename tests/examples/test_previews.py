"""Both examples, previewed and deployed: below the component is what this project's own program makes."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import cast

import pytest
import yaml

from tests.contract import recorder
from tests.examples.program import EXAMPLES, STACK, Program
from tests.fake_hosts.__main__ import API_KEY, SHARED_SECRET

COMPONENT = ("maas-ha:index:MaasCluster", "maas")


def own_program(folder: Path) -> set[tuple[str, str]]:
    """Type and name of what the stack file with the YAML example's topology makes."""
    content = yaml.safe_load((EXAMPLES / "yaml" / "Pulumi.yaml").read_text(encoding="utf-8"))
    cluster = cast("dict[str, dict[str, object]]", content["resources"]["maas"]["properties"])
    keys = cluster.pop("host_keys")
    known_hosts = folder / "known_hosts"
    lines = [f"{cast('dict[str, str]', host)['address']} {keys[name]}\n" for name, host in cluster["hosts"].items()]
    known_hosts.write_text("".join(lines), encoding="utf-8")
    cluster["ssh"]["known_hosts"] = str(known_hosts)
    made = recorder.run(cast("dict[str, object]", cluster), preview=True).values()
    return {(item.type, _below_maas(item.name)) for item in made}


def _below_maas(name: str) -> str:
    """The program calls its secrets after the cluster, which is its only one; a component's have its name."""
    return f"maas{name.removeprefix('cluster')}" if name.startswith("cluster") else name


@pytest.mark.parametrize("example", ["yaml", "python"])
def test_an_example_makes_what_the_program_makes(example: str, tmp_path: Path, yaml_host: Path) -> None:
    expected = {(_short(kind), name) for kind, name in own_program(tmp_path)}
    previewed = {(_short(kind), name) for kind, name in Program(tmp_path, example, yaml_host).preview()}
    assert previewed == expected | {COMPONENT}
    assert len(previewed) == 39


def _short(kind: str) -> str:
    """`random:index/randomPassword:RandomPassword` as `random:RandomPassword`."""
    return f"{kind.partition(':')[0]}:{kind.rpartition(':')[2]}" if "/" in kind else kind


@pytest.mark.parametrize("example", ["yaml", "python"])
def test_its_outputs_are_the_clusters_and_secrets_stay_secrets(example: str, tmp_path: Path, yaml_host: Path) -> None:
    program = Program(tmp_path, example, yaml_host)
    said = program.run("up", "--yes", "--skip-preview", "--stack", STACK)
    shown = json.loads(program.run("stack", "output", "--json", "--stack", STACK))
    assert shown["api_url"] == "http://198.51.100.41/MAAS"
    assert shown["api_key"] == "[secret]"
    assert shown["ca_certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert shown["racks"].keys() == {"rack1", "rack2"}
    assert API_KEY in program.run("stack", "output", "--json", "--show-secrets", "--stack", STACK)
    for secret in (API_KEY, SHARED_SECRET):
        assert secret not in said + program.state()
    assert "unchanged" in program.run("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", STACK)
    program.run("destroy", "--yes", "--skip-preview", "--stack", STACK)


LATER = """
import pulumi_random as random

late = random.RandomPassword("late", length=20, special=False)
"""


def python_with(program: Program, before: str, **changes: str) -> None:
    """The Python example with `before` in front of its cluster and `changes` of its text."""
    program.change("__main__.py", "maas = MaasCluster(", f"{before}\nmaas = MaasCluster(")
    for old, new in changes.items():
        program.change("__main__.py", ARGUMENTS[old], new)


ARGUMENTS = {
    "database": '"database": {"host": "db1", "version": 16}',
    "hosts": '"hosts": {name: {"address": address} for name, address in ADDRESSES.items()}',
    "email": '{"email": "maas@example.com"}',
}


def test_a_password_that_only_an_update_makes_is_a_secret(tmp_path: Path, yaml_host: Path) -> None:
    program = Program(tmp_path, "python", yaml_host)
    external = '"database": {"external": "198.51.100.5"}, "database_password": late.result'
    python_with(program, LATER, database=external)
    program.change("__main__.py", '    "db1": "198.51.100.11",\n', "")
    program.change("__main__.py", 'pulumi.export("racks"', 'pulumi.export("late", late.result)\npulumi.export("racks"')
    assert ("random:index/randomPassword:RandomPassword", "late") in program.preview()
    said = program.run("up", "--yes", "--skip-preview", "--stack", STACK)
    outputs = json.loads(program.run("stack", "output", "--json", "--show-secrets", "--stack", STACK))
    assert outputs["late"]
    assert outputs["late"] not in said + program.state()
    assert outputs["api_key"] == API_KEY


def test_a_topology_that_only_an_update_knows(tmp_path: Path, yaml_host: Path) -> None:
    """The preview says so and shows the component alone; the update makes all of it."""
    program = Program(tmp_path, "python", yaml_host)
    email = 'late.id.apply(lambda _: "maas@example.com")'
    python_with(program, LATER, email=f'{{"email": {email}}}')
    assert program.preview() == {COMPONENT, ("random:index/randomPassword:RandomPassword", "late")}
    assert "what is below it is not previewed" in program.run("preview", "--stack", STACK)
    program.run("up", "--yes", "--skip-preview", "--stack", STACK)
    resources = json.loads(program.run("stack", "export", "--stack", STACK))["deployment"]["resources"]
    names = [resource["urn"].rpartition("::")[2] for resource in resources]
    assert "dhcp-198.51.100.0-24-rack2" in names
    [component] = [resource for resource in resources if resource["type"] == COMPONENT[0]]
    assert [urn.rpartition("::")[2] for urn in component["dependencies"]] == ["late"]
    program.run("destroy", "--yes", "--skip-preview", "--stack", STACK)


def test_two_clusters_in_one_program(tmp_path: Path, yaml_host: Path) -> None:
    program = Program(tmp_path, "yaml", yaml_host)
    content = yaml.safe_load((program.folder / "Pulumi.yaml").read_text(encoding="utf-8"))
    other = json.dumps(content["resources"]["maas"])
    for old, new in (("db1", "db2"), ("lb1", "lb2"), ("region", "site-region"), ("rack", "site-rack")):
        other = other.replace(f'"{old}', f'"{new}') if old in ("region", "rack") else other.replace(old, new)
    other = other.replace("198.51.100.", "203.0.113.").replace('"site-regions"', '"regions"')
    content["resources"]["other"] = json.loads(other.replace('"site-racks"', '"racks"'))
    program.write("Pulumi.yaml", yaml.safe_dump(content, sort_keys=False))
    made = program.preview()
    assert len(made) == 2 * 39
    assert ("tls:index/selfSignedCert:SelfSignedCert", "other-ca") in made


def test_the_examples_are_the_same() -> None:
    """What the YAML program says is what the Python program says."""
    properties = yaml.safe_load((EXAMPLES / "yaml" / "Pulumi.yaml").read_text(encoding="utf-8"))["resources"]["maas"]
    source = ast.parse((EXAMPLES / "python" / "__main__.py").read_text(encoding="utf-8"))
    names = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert properties["properties"].keys() <= names
