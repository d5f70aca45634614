"""The engine that `make setup` left really runs a program on its language host."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from toolchain import environment
from toolchain.official import new_enough

PROGRAM = """
import pulumi


class Box(pulumi.ComponentResource):
    secret: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maas:index:Box", name, {"file": "one\\ntwo\\n"}, opts)
        self.secret = pulumi.Output.secret("hush-hush")
        self.register_outputs({"secret": self.secret})


box = Box("box", pulumi.ResourceOptions(hide_diffs=["other"]))
pulumi.export("secret", box.secret)
pulumi.export("told", pulumi.Config().require("told"))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: box\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  box:told: something\n")
    (folder / "__main__.py").write_text(PROGRAM)
    (tmp_path / "state").mkdir()
    return folder


def pulumi(program: Path, *arguments: str) -> str:
    """Run the engine on the program; its state is in a folder beside it."""
    own = {"PULUMI_BACKEND_URL": f"file://{program.parent}/state", "PULUMI_CONFIG_PASSPHRASE": "test"}
    env = {**os.environ, **environment(), **own, "PULUMI_CREDENTIALS_PATH": str(program.parent)}
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"], cwd=program, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_version() -> None:
    env = {**os.environ, **environment()}
    said = subprocess.run(["pulumi", "version"], env=env, capture_output=True, text=True, check=True).stdout
    assert new_enough(said.strip())


def test_runs_a_program_and_keeps_its_secret(program: Path) -> None:
    pulumi(program, "stack", "init", "dev")
    first = pulumi(program, "up", "--yes")
    assert "hush-hush" not in first
    assert json.loads(pulumi(program, "stack", "output", "--json")) == {"secret": "[secret]", "told": "something"}
    assert "hush-hush" in pulumi(program, "stack", "output", "--show-secrets", "--json")
    assert "2 unchanged" in pulumi(program, "up", "--yes")
    for path in (program.parent / "state").rglob("*"):
        assert not path.is_file() or b"hush-hush" not in path.read_bytes(), path


def test_plugins_are_there() -> None:
    env = {**os.environ, **environment()}
    said = subprocess.run(["pulumi", "plugin", "ls", "--json"], env=env, capture_output=True, text=True, check=True)
    found = {(plugin["name"], plugin["version"]) for plugin in json.loads(said.stdout)}
    assert {("command", "1.2.1"), ("random", "4.21.4"), ("tls", "5.6.2")} <= found
