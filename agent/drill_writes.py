"""Writes on a host that a drill has cut off from the others: none may be acknowledged."""

from __future__ import annotations

import json
import secrets
import select
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.cluster_settings import POSTGRES_PORT
from agent.commands import Commands
from agent.errors import StepError
from agent.maas_http import authorization, multipart, read_json
from agent.report import STDOUT, write
from agent.typed import BundleError, read_typed

NAMES = ("region", "patroni")
EVERY = 0.5
"""Seconds between two tries."""
PATIENCE = 4.0
"""Seconds for one try. A commit that waits for another host's copy waits for ever: who asked for it is ended, which,
unlike a statement's timeout, doesn't let PostgreSQL say that it is done."""
MESSAGE = "SELECT pg_logical_emit_message(true, 'maas-ha', 'drill');"
"""A transaction that is written to PostgreSQL's log and leaves nothing in any table."""


@dataclass(frozen=True)
class Target:
    """The MAAS of this host's region; empty for its PostgreSQL."""

    url: str = ""
    api_key: str = field(default="", repr=False)
    ca_certificate: str = ""
    prefix: str = ""
    """Of the tags that are written."""


def write_on(name: str, commands: Commands, seconds: int) -> None:
    """Read a `Target` from the first line of standard input, try until its end or for `seconds`, and tell how often,
    and how often it was acknowledged. Raises `StepError`."""
    try:
        target = read_typed(Target, json.loads(sys.stdin.readline()), "target")
    except (ValueError, BundleError) as error:
        raise StepError(f"{error}: program and agent differ in version?") from None
    assert isinstance(target, Target)  # noqa: S101 - read_typed gives what it was asked for
    attempt = (lambda: _through_maas(target)) if name == "region" else (lambda: _in_postgresql(commands))
    tried, accepted = _try(attempt, seconds)
    write(STDOUT, json.dumps({"tried": tried, "accepted": accepted}) + "\n")


def _try(attempt: Callable[[], bool], seconds: float) -> tuple[int, int]:
    deadline, tried, accepted = time.monotonic() + seconds, 0, 0
    while time.monotonic() < deadline:
        tried += 1
        accepted += attempt()
        if select.select([sys.stdin], [], [], EVERY)[0]:
            break
    return tried, accepted


def _through_maas(target: Target) -> bool:
    boundary = secrets.token_hex(16)
    fields = {"name": f"{target.prefix}{secrets.token_hex(6)}", "comment": "written by maas-ha drill"}
    headers = {
        "Authorization": authorization(target.api_key, secrets.token_hex(16), int(time.time())),
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    url = f"{target.url}/api/2.0/tags/"
    request = urllib.request.Request(url, data=multipart(fields, boundary), headers=headers)  # noqa: S310 - from the stack
    try:
        read_json(request, target.ca_certificate, PATIENCE)
    except OSError:
        return False
    return True


def _in_postgresql(commands: Commands) -> bool:
    flags = ("-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", "/var/run/postgresql", "-p", str(POSTGRES_PORT))
    try:
        done = commands.run(
            "runuser",
            "-u",
            "postgres",
            "--",
            "psql",
            *flags,
            "-d",
            "postgres",
            stdin=MESSAGE,
            timeout=PATIENCE,
            check=False,
        )
    except StepError:  # it waits still, and is ended
        return False
    return done.code == 0
