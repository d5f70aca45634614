"""A copy of the program, a stack whose state lies in a folder, and a lab that it is deployed on."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import cast

import yaml

from lab.cluster import Lab
from toolchain.environment import environment

PROJECT = Path(__file__).parents[2]
PROGRAM = ("agent", "components", "config")
STACK = "dev"

Cluster = dict[str, object]


@dataclass
class Deployment:
    """The stack `dev` of a copy of the project in `folder`, on `lab`."""

    folder: Path
    lab: Lab
    passphrase: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def __post_init__(self) -> None:
        for name in PROGRAM:
            shutil.copytree(PROJECT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("__main__.py", "Pulumi.yaml"):
            shutil.copy(PROJECT / name, self.folder / name)
        (self.folder / "state").mkdir()
        self.write(self.on_lab(yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]["maas-ha:cluster"]))
        self.pulumi("stack", "init", STACK)

    @property
    def network(self) -> IPv4Network:
        """The lab's /24."""
        return self.lab.inventory.shape.network

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{STACK}.yaml"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **environment(),
            **self.lab.environment(),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            "PULUMI_ERROR_OUTPUT_STRING": "true",
        }

    def on_lab(self, cluster: Cluster) -> Cluster:
        """The dev stack's cluster with this lab's addresses and keys."""
        network = str(self.network.network_address).rpartition(".")[0]
        text = json.dumps(cluster).replace("198.51.100.", f"{network}.")
        return cast("Cluster", json.loads(text)) | {"ssh": {"user": "deploy", "known_hosts": str(self.lab.known_hosts)}}

    def read(self) -> Cluster:
        """The cluster as the stack file has it."""
        return cast("Cluster", yaml.safe_load(self.stack_file.read_text())["config"]["maas-ha:cluster"])

    def write(self, cluster: Cluster) -> None:
        """Put `cluster` into the stack file; Pulumi's own lines and secret values stay."""
        content = yaml.safe_load(self.stack_file.read_text()) if self.stack_file.exists() else {}
        content.setdefault("config", {})["maas-ha:cluster"] = cluster
        self.stack_file.write_text(yaml.safe_dump(content, sort_keys=False))

    def edit(self, change: Callable[[Cluster], None]) -> None:
        """Change the stack file's cluster in place."""
        cluster = self.read()
        change(cluster)
        self.write(cluster)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`pulumi ARGUMENTS`, running, in a process group of its own."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, check: bool = True) -> str:
        """Output of `pulumi ARGUMENTS`, both streams; raises AssertionError with it where it fails and `check`."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        if check:
            assert process.returncode == 0, f"pulumi {' '.join(arguments)}: exit {process.returncode}\n{output}"
        else:
            assert process.returncode != 0, f"pulumi {' '.join(arguments)} was to fail\n{output}"
        return output

    def up(self, *options: str) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", STACK, *options)

    def up_fails(self) -> str:
        """Output of an `up` that is to fail."""
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", STACK, check=False)

    def outputs(self) -> dict[str, object]:
        """The stack's outputs, secrets in the clear."""
        text = self.pulumi("stack", "output", "--json", "--show-secrets", "--stack", STACK)
        return cast("dict[str, object]", json.loads(text))

    def state(self) -> dict[str, object]:
        """The state as it is stored."""
        return cast("dict[str, object]", json.loads(self.pulumi("stack", "export", "--stack", STACK)))

    def resources(self) -> list[dict[str, object]]:
        """The state's resources, secrets in the clear."""
        text = self.pulumi("stack", "export", "--show-secrets", "--stack", STACK)
        return cast("list[dict[str, object]]", json.loads(text)["deployment"].get("resources", []))

    def secrets(self) -> dict[str, str]:
        """Every secret value that the state holds, under the name of its resource and property."""
        outputs = self.outputs()
        found = {name: str(outputs[name]) for name in ("admin_password", "api_key")}
        for resource in self.resources():
            name, values = name_of(resource), cast("dict[str, object]", resource.get("outputs", {}))
            if str(resource["type"]).endswith(":RandomPassword"):
                found[name] = plaintext(values["result"])
            if str(resource["type"]).endswith(":PrivateKey"):
                found[name] = plaintext(values["privateKeyPem"]).splitlines()[1]
            if str(resource["type"]).endswith(":RegionController"):
                found["shared_secret"] = plaintext(values["shared_secret"])
        return found

    def bundle(self, command: str) -> str:
        """What the command called `command` last sent to its host's agent."""
        resource = next(item for item in self.resources() if name_of(item) == command)
        return plaintext(cast("dict[str, object]", resource["inputs"])["stdin"])


def name_of(resource: dict[str, object]) -> str:
    return str(resource["urn"]).rsplit("::", 1)[1]


def plaintext(value: object) -> str:
    """A secret of a state that was exported in the clear."""
    return str(json.loads(cast("dict[str, str]", value)["plaintext"]))
