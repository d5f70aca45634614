"""The program in a folder of a test's own, run by the real engine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PARTS = ("__main__.py", "Pulumi.yaml", "agent", "components", "config")


def link_program(folder: Path) -> None:
    """What the engine needs of the project, in `folder`, but a stack file."""
    for name in PARTS:
        (folder / name).symlink_to(PROJECT / name)


def pulumi(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Standard output of `pulumi ARGUMENTS`; raises AssertionError with the end of both streams where it fails."""
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout[-3000:] + done.stderr[-3000:]
    assert done.returncode == 0, f"pulumi {' '.join(arguments)}: exit {done.returncode}\n{said}"
    return done.stdout
