"""The stack file as the engine hands it to the program. The only reader of `pulumi.Config`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

from config.finding import Finding, StackFileError
from config.stack_file import Cluster, parse

PASSWORD_KEY = "databasePassword"  # noqa: S105 - its name
PASSWORD_FORM = re.compile(r"[ !#-\[\]-~]+")
"""Printable ASCII without quote and backslash, which would end or change the text in regiond.conf."""
SET_PASSWORD = f"run `pulumi config set --secret {PASSWORD_KEY}`"


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
    external = isinstance(raw, dict) and isinstance(raw.get("database"), dict) and "external" in raw["database"]
    findings = _password_findings(config) if external else []
    try:
        cluster = parse(raw, project)
    except StackFileError as error:
        raise StackFileError([*error.findings, *findings]) from None
    if findings:
        raise StackFileError(findings)
    return Stack(cluster, config.get_secret(PASSWORD_KEY) or pulumi.Output.secret(""))


def _password_findings(config: pulumi.Config) -> list[Finding]:
    """What is wrong with the password of the role in the operator's database; its value is in no text."""
    path, password = f"maas-ha:{PASSWORD_KEY}", config.get(PASSWORD_KEY)
    if not password:
        return [Finding(path, "is missing: the password of database.role on the external server", SET_PASSWORD)]
    if not is_config_secret(path):
        return [Finding(path, "is in the clear", f"{SET_PASSWORD}, and change it on the server, for it was seen")]
    if not PASSWORD_FORM.fullmatch(password):
        problem = (
            "holds a quote (\"), a backslash, or what isn't printable ASCII, which regiond.conf can't take as it is"
        )
        return [Finding(path, problem, f"give the role another password, then {SET_PASSWORD}")]
    return []
