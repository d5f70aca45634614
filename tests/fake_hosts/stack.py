"""A stack of the real engine on hosts that don't exist."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from tests.program import PROJECT, link_program, pulumi
from toolchain.environment import environment

PLUGIN = "resource-command-v1.2.1"
STACK = "dev"

Cluster = dict[str, object]


@dataclass
class FakeStack:
    """The stack `dev` in `folder`, with its state in a folder there."""

    folder: Path
    passphrase: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    def __post_init__(self) -> None:
        link_program(self.folder)
        (self.folder / "state").mkdir()
        self._home = plugins_home(self.folder / "home")
        self.write({})
        self.pulumi("stack", "init", STACK)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **environment(),
            "PULUMI_HOME": str(self._home),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            "PULUMI_SKIP_CHECKPOINTS": "true",  # a checkpoint a step takes most of the time, and nothing real is lost
        }

    def write(self, cluster: Cluster) -> None:
        """Put `cluster` into the stack file; the engine's own lines stay."""
        path = self.folder / f"Pulumi.{STACK}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        content["config"] = {"maas-ha:cluster": cluster}
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def pulumi(self, *arguments: str) -> str:
        """Standard output of `pulumi ARGUMENTS`; raises AssertionError with both streams where it fails."""
        return pulumi(self.folder, self.environment, *arguments)

    def up(self) -> dict[str, int]:
        """Deploy; operation → number of resources."""
        self.pulumi("up", "--yes", "--skip-preview", "--stack", STACK)
        history = json.loads(self.pulumi("stack", "history", "--json", "--stack", STACK))
        return cast("dict[str, int]", history[0]["resourceChanges"])

    def preview(self) -> dict[str, object]:
        """What `pulumi preview --json` says."""
        return cast("dict[str, object]", json.loads(self.pulumi("preview", "--json", "--show-sames", "--stack", STACK)))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def plugins_home(home: Path) -> Path:
    """A PULUMI_HOME with the project's plugins, but for the one that dials hosts."""
    own = Path(environment()["PULUMI_HOME"])
    (home / "plugins" / PLUGIN).mkdir(parents=True)
    shutil.copy2(own / "logs", home / "logs")
    for plugin in (own / "plugins").iterdir():
        if not plugin.name.startswith(PLUGIN):
            _copy(plugin, home / "plugins" / plugin.name)  # the engine passes over links
    launcher = home / "plugins" / PLUGIN / "pulumi-resource-command"
    launcher.write_text(
        f'#!/bin/sh\ncd {PROJECT} && exec {sys.executable} -m tests.fake_hosts "$@"\n', encoding="utf-8"
    )
    launcher.chmod(0o755)
    return home
