"""The stack file as the engine hands it to the program. The only reader of `pulumi.Config`."""

from __future__ import annotations

from pathlib import Path

import pulumi

from config.stack_file import Cluster, parse


def load(project: Path) -> Cluster:
    """The cluster of the current stack. Raises `StackFileError` with every problem of the stack file."""
    return parse(pulumi.Config().get_object("cluster"), project)
