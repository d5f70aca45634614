"""The stack file as the engine hands it to the program. The only reader of `pulumi.Config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

from config import database_password
from config.stack_file import Cluster, parse


@dataclass(frozen=True)
class Stack:
    """A cluster that can work, and the secrets that its operator brings."""

    cluster: Cluster
    database_password: pulumi.Output[str]
    """Of the role in an external database; secret. Empty where the program makes the database."""


def load(project: Path) -> Stack:
    """The current stack. Raises `StackFileError` with every problem of the stack file."""
    config = pulumi.Config()
    raw = config.get_object("cluster")
    if not database_password.is_wanted(raw):
        return Stack(parse(raw, project), pulumi.Output.secret(""))
    password = config.get(database_password.NAME) or ""
    wrong = database_password.of_value(password, secret=is_config_secret(database_password.PATH))
    return Stack(parse(raw, project, beside=wrong), pulumi.Output.secret(password))
