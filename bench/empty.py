"""The least that the engine does: a program without a resource."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Run, run
from toolchain.environment import environment

UP = ("pulumi", "up", "--yes", "--skip-preview", "--stack", "dev", "--non-interactive")


@dataclass
class Empty:
    """A stack whose program does nothing; it has been deployed once."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text("name: nothing\nruntime: python\n", encoding="utf-8")
        (self.folder / "__main__.py").write_text("import pulumi\n", encoding="utf-8")
        self._environment = {
            **os.environ,
            **environment(),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "of no use",
        }
        init = ["pulumi", "stack", "init", "dev", "--non-interactive"]
        run(init, self.folder, self._environment)
        self.up()

    def up(self) -> Run:
        return run(UP, self.folder, self._environment)
