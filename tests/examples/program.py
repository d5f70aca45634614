"""Programs of others on this project's component, run by the real engine, on hosts that don't exist."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tests.fake_hosts.stack import plugins_home
from tests.program import PROJECT
from toolchain.environment import environment

EXAMPLES = PROJECT / "examples"
STACK = "dev"


@dataclass(frozen=True)
class Step:
    """What a preview says of one resource."""

    urn: str

    @property
    def resource(self) -> tuple[str, str]:
        """Type and name."""
        types, _, name = self.urn.removeprefix("urn:pulumi:").split("::", 2)[2].partition("::")
        return types.rpartition("$")[2], name


@dataclass
class Program:
    """A copy of an example in `folder`, with its state in a folder there, and `yaml_host` for YAML."""

    folder: Path
    example: str
    yaml_host: Path
    passphrase: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir()
        self._home = plugins_home(self.folder / "home")
        for source in (EXAMPLES / self.example).glob("*.*"):
            self.write(source.name, source.read_text(encoding="utf-8"))
        self.run("stack", "init", STACK)

    def write(self, name: str, text: str) -> None:
        """Put `text` into the file `name`, with the component where it is seen from here."""
        (self.folder / name).write_text(text.replace("../../provider", str(PROJECT / "provider")), encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        """Replace `old`, which must be there, in the file `name`."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text, old
        self.write(name, text.replace(old, new))

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`pulumi ARGUMENTS`, to its end, both streams in one."""
        own = environment()
        own |= {
            "PATH": f"{own['PATH']}{os.pathsep}{self.yaml_host}",
            "PULUMI_HOME": str(self._home),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
        }
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run(self, *arguments: str) -> str:
        """What a `pulumi ARGUMENTS` that succeeds prints."""
        done = self.start(*arguments)
        assert done.returncode == 0, f"pulumi {' '.join(arguments)}: exit {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def preview(self) -> set[tuple[str, str]]:
        """Type and name of every resource that an update would make, but the stack."""
        said = self.run("preview", "--json", "--stack", STACK)
        steps = cast("list[dict[str, str]]", json.loads(said[said.index("{\n") :])["steps"])
        assert {step["op"] for step in steps} == {"create"}
        made = {Step(step["urn"]).resource for step in steps}
        return {(kind, name) for kind, name in made if kind != "pulumi:pulumi:Stack"}

    def refused(self) -> str:
        """What a preview that is refused prints."""
        done = self.start("preview", "--stack", STACK)
        assert done.returncode == 1, done.stdout[-6000:]
        return done.stdout

    def state(self) -> str:
        """All that the backend holds, as text."""
        files = (self.folder / "state").rglob("*.json")
        return "".join(path.read_text(encoding="utf-8") for path in files)
