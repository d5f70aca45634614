"""Runs the shell steps of a workflow's job from its file, as GitHub's runner does; `uses:` steps are left out."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")

Mapped = dict[str, object]


@dataclass
class Runner:
    """A checkout at `project`, a runner's own folder, and what `${{ … }}` stands for."""

    project: Path
    folder: Path
    environment: Mapping[str, str]
    context: Mapping[str, str]
    """Expression → value; an unknown one is an empty text, as an unset secret is."""
    output: list[str] = field(default_factory=list)

    def run(self, workflow: str, job: str, leave_out: frozenset[str] = frozenset()) -> None:
        """Run all shell steps but those named in `leave_out`. Raises AssertionError with a failed step's output."""
        content = cast("Mapped", yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text(encoding="utf-8")))
        described = cast("dict[str, Mapped]", content["jobs"])[job]
        self.folder.mkdir(exist_ok=True)
        variables = {**self.environment, **self._filled(described.get("env"))}
        variables |= {"RUNNER_TEMP": str(self.folder), "GITHUB_ENV": str(self.folder / "env")}
        variables["GITHUB_STEP_SUMMARY"] = str(self.folder / "summary.md")
        for step in cast("list[Mapped]", described["steps"]):
            if "run" not in step or step.get("name") in leave_out:
                continue
            (self.folder / "env").touch()
            added = dict(line.split("=", 1) for line in (self.folder / "env").read_text(encoding="utf-8").splitlines())
            self._step(step, {**variables, **added, **self._filled(step.get("env"))})

    def _step(self, step: Mapped, variables: Mapping[str, str]) -> None:
        script = EXPRESSION.sub(self._value, str(step["run"]))
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.project,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.output.append(done.stdout)
        assert done.returncode == 0, f"{step.get('name')}: exit {done.returncode}\n{done.stdout[-4000:]}"

    def _filled(self, variables: object) -> dict[str, str]:
        given = cast("Mapped", variables or {})
        return {name: EXPRESSION.sub(self._value, str(value)) for name, value in given.items()}

    def _value(self, match: re.Match[str]) -> str:
        return self.context.get(match[1], "")


def runner_environment() -> dict[str, str]:
    """What the runner itself offers: a PATH, and no secret and no engine of ours."""
    return {name: os.environ[name] for name in ("HOME", "PATH", "LANG", "XDG_CACHE_HOME") if name in os.environ}
