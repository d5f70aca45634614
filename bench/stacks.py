"""Stacks of the real engine that dial nobody: ours on hosts that only answer, and resources that do nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Run, run
from tests.contract import topologies
from tests.fake_hosts.stack import FakeStack
from toolchain.environment import environment

STACK = "dev"
REGIONS = 3
UP = ("up", "--yes", "--skip-preview")
PREVIEW = ("preview",)

EMPTIES = """import pulumi

for number in range(int(pulumi.Config().require("count"))):
    pulumi.ComponentResource("bench:index:Empty", f"empty{number}")
"""
"""As many resources as wanted, none of which has an input, a provider or something to do."""


@dataclass
class Stack:
    """A stack `dev` in a folder, with its state in a folder there."""

    folder: Path
    environment: dict[str, str]
    saved: dict[str, Path] = field(default_factory=dict)

    def pulumi(self, *arguments: str, look_at_memory: bool = False, checkpoints: bool = True) -> Run:
        """Run `pulumi ARGUMENTS`; a checkpoint after every step, as an operator has it, or one at the end."""
        more = {} if checkpoints else {"PULUMI_SKIP_CHECKPOINTS": "true"}
        argv = ["pulumi", *arguments, "--stack", STACK, "--non-interactive"]
        return run(argv, self.folder, self.environment | more, look_at_memory=look_at_memory)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def state_bytes(self) -> int:
        """Size of the state itself, without its history and backups."""
        stacks = self.state / ".pulumi" / "stacks"
        return max((path.stat().st_size for path in stacks.rglob(f"{STACK}.json")), default=0)

    @property
    def resources(self) -> Counter[bool]:
        """Resources in the state by whether a provider has them; the stack's own and the providers left out."""
        deployment = json.loads(self.pulumi("stack", "export").output)["deployment"]
        known = (item for item in deployment.get("resources", []) if not item["type"].startswith("pulumi:"))
        return Counter(bool(item.get("custom")) for item in known)

    def save(self, name: str) -> None:
        """Keep the state as it is now."""
        self.saved[name] = self.folder / f"state-{name}"
        shutil.copytree(self.state, self.saved[name])

    def restore(self, name: str) -> None:
        """The state as it was when it was saved."""
        shutil.rmtree(self.state)
        shutil.copytree(self.saved[name], self.state)


@dataclass
class Ours(Stack):
    """Our program for a cluster of some racks."""

    fake: FakeStack | None = None

    def racks(self, count: int) -> None:
        """Ask for so many racks; 9 of 10 serve DHCP in pairs."""
        assert self.fake  # noqa: S101 - for the types
        pairs = count * 9 // 20
        self.fake.write(topologies.cluster(self.folder, regions=REGIONS, racks=count, pairs=pairs))


def ours(folder: Path, racks: int) -> Ours:
    """A new stack of our program on hosts that answer at once."""
    folder.mkdir(parents=True)
    fake = FakeStack(folder)
    made = Ours(folder, _as_an_operator(fake), fake=fake)
    made.racks(racks)
    return made


def _as_an_operator(fake: FakeStack) -> dict[str, str]:
    """The environment of `fake`, with a checkpoint after each step."""
    return {name: value for name, value in fake.environment.items() if name != "PULUMI_SKIP_CHECKPOINTS"}


KINDS = """import pulumi
from pulumi_command import remote

settings = pulumi.Config()
for number in range(int(settings.require("components"))):
    pulumi.ComponentResource("bench:index:Empty", f"empty{number}")
for number in range(int(settings.require("commands"))):
    connection = remote.ConnectionArgs(host="198.18.0.1", user="nobody")
    stdin = '{"role": "none", "host": "none"}'
    remote.Command(f"command{number}", connection=connection, create="true", stdin=stdin)
"""
"""Resources of the two kinds that ours are of, with next to nothing in them; nobody is dialled."""


PLUGINS = """import pulumi_random
import pulumi_tls
from pulumi_command import remote

pulumi_random.RandomPassword("password", length=32)
pulumi_tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P256")
connection = remote.ConnectionArgs(host="198.18.0.1", user="nobody")
remote.Command("command", connection=connection, create="true", stdin='{"role": "none", "host": "none"}')
"""
"""A resource of each plugin that ours needs; nobody is dialled."""


def kinds(folder: Path, components: int, commands: int) -> Stack:
    """A new stack of so many components and commands that depend on nothing."""
    made = _answered(folder, KINDS)
    made.pulumi("config", "set", "components", str(components))
    made.pulumi("config", "set", "commands", str(commands))
    return made


def plugins(folder: Path) -> Stack:
    """The least that a program with our plugins does: a resource of each, which has been deployed once."""
    made = _answered(folder, PLUGINS)
    made.pulumi(*UP)
    return made


def _answered(folder: Path, program: str) -> Stack:
    """A new stack of `program`, without any of ours, whose hosts answer at once."""
    folder.mkdir(parents=True)
    fake = FakeStack(folder)
    (folder / "__main__.py").unlink()
    (folder / "__main__.py").write_text(program, encoding="utf-8")
    return Stack(folder, _as_an_operator(fake))


def empties(folder: Path, count: int) -> Stack:
    """A new stack of `count` resources with nothing in them."""
    made = _bare(folder, EMPTIES)
    made.pulumi("config", "set", "count", str(count))
    return made


def nothing(folder: Path) -> Stack:
    """The least that the engine does: a stack whose program has no resource, and which has been deployed once."""
    made = _bare(folder, "import pulumi\n")
    made.pulumi(*UP)
    return made


def _bare(folder: Path, program: str) -> Stack:
    """A new stack of `program`, without any of ours."""
    (folder / "state").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: bare\nruntime: python\n", encoding="utf-8")
    (folder / "__main__.py").write_text(program, encoding="utf-8")
    settings = {
        **os.environ,
        **environment(),
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "of no use",
    }
    made = Stack(folder, settings)
    made.pulumi("stack", "init")
    return made
