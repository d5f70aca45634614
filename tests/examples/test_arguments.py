"""Mistakes in a program: refused by name, all at once, before anything is made; and the schema that editors know."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from components.outputs import Outputs
from config.cluster_args import ClusterArgs
from config.topology import Database, ExternalDatabase
from provider import schema
from tests.examples.program import Program
from tests.examples.test_previews import ARGUMENTS

SECRET = "word'with\\\"quotes"


def test_values_that_fit_no_field_are_told_as_a_stack_files_are(tmp_path: Path, yaml_host: Path) -> None:
    program = Program(tmp_path, "yaml", yaml_host)
    program.change("Pulumi.yaml", "region2: {workers: 4}", "region2: {workers: 40}")
    program.change("Pulumi.yaml", "start: 198.51.100.100", "start: 198.51.100")
    program.change("Pulumi.yaml", "email: maas@example.com", "email: nobody")
    said = program.refused()
    assert "maas-ha:index:MaasCluster resource 'maas' has a problem: the program has 3 problems; nothing was" in said
    assert "  maas.admin.email: is no e-mail address; write it such as admin@example.com\n" in said
    assert "  regions.region2.workers: a region has 1 to 10 workers: " in said
    assert "  dhcp[0].range.start: is no IP address that fits here; write it such as 198.51.100.11\n" in said
    assert "Traceback" not in said


def test_what_doesnt_fit_together_is_told_as_a_stack_files_is(tmp_path: Path, yaml_host: Path) -> None:
    program = Program(tmp_path, "yaml", yaml_host)
    program.change("Pulumi.yaml", "secondary: rack2", "secondary: rack9")
    program.change("Pulumi.yaml", "        rack2: ssh-ed25519", "        rack3: ssh-ed25519")
    said = program.refused()
    assert "  dhcp[0].secondary: " in said
    assert "  host_keys.rack2: is missing; the program talks to no machine whose key it doesn't know\n" in said
    assert "  host_keys.rack3: there is no host 'rack3'; take it out\n" in said
    assert "Traceback" not in said


def test_a_typing_error_in_yaml_is_named_by_its_type_checker(tmp_path: Path, yaml_host: Path) -> None:
    """It knows the schema, and stops before the component is asked."""
    program = Program(tmp_path, "yaml", yaml_host)
    program.change("Pulumi.yaml", "load_balancer:", "load_balancr:")
    program.change("Pulumi.yaml", "region2: {workers: 4}", "region2: {workrs: 4}")
    said = program.refused()
    assert "load_balancer: Missing required property 'load_balancer'" in said
    assert "region2: Cannot assign '{workrs: number}' to 'maas-ha:index:Region'" in said
    assert "Traceback" not in said


def test_a_typing_error_in_python_is_named_by_the_component(tmp_path: Path, yaml_host: Path) -> None:
    """The SDK then adds what became of its call; that is of the SDK, whatever the component says."""
    program = Program(tmp_path, "python", yaml_host)
    program.change("__main__.py", '"load_balancer":', '"load_balancr":')
    program.change("__main__.py", '{"workers": 4}}', '{"workrs": 4}}')
    said = program.refused()
    assert "has a problem: the program has 3 problems; nothing was touched:\n" in said
    assert "  regions.region2.workrs: is no field that this program knows; did you mean 'workers'?\n" in said
    assert "  load_balancer: is missing; add it\n" in said
    assert "  load_balancr: is no field that this program knows; did you mean 'load_balancer'?\n" in said
    assert "provider/construct.py" not in said


def test_no_password_is_repeated(tmp_path: Path, yaml_host: Path) -> None:
    program = Program(tmp_path, "python", yaml_host)
    external = f'"database": {{"external": "198.51.100.5"}}, "database_password": {json.dumps(SECRET)}'
    program.change("__main__.py", ARGUMENTS["database"], external)
    program.change("__main__.py", '    "db1": "198.51.100.11",\n', "")
    said = program.refused()
    assert "  database_password: is in the clear; give it as a secret, and change it on the server" in said
    program.change("__main__.py", json.dumps(SECRET), f"pulumi.Output.secret({json.dumps(SECRET)})")
    again = program.refused()
    assert "  database_password: holds a quote (\"), a backslash, or what isn't printable ASCII" in again
    assert SECRET not in said + again
    program.change(
        "__main__.py", '{"email": "maas@example.com"}', '{"email": pulumi.Output.secret("root@hidden.example")}'
    )
    hidden = program.refused()
    assert "  maas: is a secret, which previews and the state would show; give it in the clear\n" in hidden
    assert "hidden.example" not in hidden + program.state()


def test_the_schema_is_of_the_models_and_the_engine_takes_it(tmp_path: Path, yaml_host: Path) -> None:
    built = json.loads(schema.build("1.2.3"))
    resource = built["resources"]["maas-ha:index:MaasCluster"]
    assert resource["inputProperties"].keys() == {*ClusterArgs.model_fields, "database_password"}
    assert set(resource["requiredInputs"]) == {
        name for name, field in ClusterArgs.model_fields.items() if field.is_required()
    }
    assert resource["properties"].keys() == set(Outputs.names())
    for model in (Database, ExternalDatabase):
        assert built["types"][f"maas-ha:index:{model.__name__}"]["properties"].keys() == set(model.model_fields)
    secret = {name for name in Outputs.names() if resource["properties"][name].get("secret")}
    assert secret == {"admin_password", "api_key"}
    (tmp_path / "schema.json").write_text(json.dumps(built), encoding="utf-8")
    (tmp_path / "program").mkdir()
    program = Program(tmp_path / "program", "yaml", yaml_host)
    program.run("schema", "check", str(tmp_path / "schema.json"))


def test_the_plugin_starts_as_a_current_language_host_starts_it(tmp_path: Path) -> None:
    """By the Python that comes first on PATH, in the other program's folder."""
    folder = Path(schema.__file__).parent
    assert "runtime: python" in (folder / "PulumiPlugin.yaml").read_text(encoding="utf-8")
    plugin = subprocess.Popen(
        [folder.parent / ".venv" / "bin" / "python", folder, "127.0.0.1:1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert plugin.stdout is not None
        assert int(plugin.stdout.readline()) > 0
    finally:
        plugin.terminate()
        plugin.wait(90)
