"""A stack as an operator's command sees it: its file, and its outputs from the engine."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from config.finding import Finding, StackFileError
from config.load import Cluster, parse
from ops.engine import EngineError, pulumi


class Outputs(BaseModel):
    """What the program exports; see `__main__.py`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    api_url: str
    api_key: str
    database_endpoint: str
    regions: dict[str, str]
    """Host name → system_id."""
    racks: dict[str, str]


def read_cluster(stack: str, project: Path) -> Cluster:
    """The cluster of `Pulumi.<stack>.yaml`. Raises `StackFileError`."""
    path = project / f"Pulumi.{stack}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackFileError(
            [Finding(path.name, f"can't be read: {error.strerror}", "name an existing stack")]
        ) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where else "somewhere"
        raise StackFileError([Finding(path.name, f"is no YAML, {line}", "mend its syntax")]) from None
    section = content.get("config") if isinstance(content, dict) else None
    return parse(section.get("maas-ha:cluster") if isinstance(section, dict) else None, project)


def read_outputs(stack: str, project: Path) -> Outputs:
    """The outputs of the last `pulumi up`. Raises `EngineError`."""
    try:
        return Outputs.model_validate_json(pulumi(stack, project, "stack", "output", "--json", "--show-secrets"))
    except ValidationError as error:
        missing = ", ".join(str(detail["loc"][0]) for detail in error.errors(include_input=False))
        raise EngineError(f"stack {stack} is not up yet (no {missing}): run `pulumi up --stack {stack}`") from None
