"""The Pulumi engine as a command of the operator's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

COMMAND = "command:remote:Command"
"""Type of what runs on a host, one a (component, host)."""


class EngineError(RuntimeError):
    """The engine is missing, or has refused."""


def pulumi(stack: str, project: Path, *arguments: str, stdin: str = "") -> str:
    """Standard output of `pulumi ARGUMENTS` for `stack`. Raises `EngineError` with the engine's own last line."""
    command = ["pulumi", *arguments, "--stack", stack, "--cwd", str(project), "--non-interactive"]
    try:
        done = subprocess.run(command, input=stdin, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        remedy = 'run `make setup`, then `eval "$(python3 -m toolchain env)"`'
        raise EngineError(f"there is no pulumi on PATH: {remedy}") from None
    except subprocess.CalledProcessError as error:
        raise EngineError(f"pulumi {' '.join(arguments[:2])} of stack {stack}: {_reason(error)}") from None
    return done.stdout


def _reason(error: subprocess.CalledProcessError) -> str:
    """The last line of what the engine complained of; with `--json` that is on standard output."""
    complaint = str(error.stderr).strip()
    if not complaint:
        try:
            found = json.loads(str(error.stdout)).get("diagnostics") or []
            complaint = "\n".join(str(item["message"]) for item in found).strip()
        except (json.JSONDecodeError, AttributeError, KeyError):
            complaint = ""
    return complaint.rpartition("\n")[2] or "it gave no reason"
