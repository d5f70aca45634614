"""What every remote command must keep to. Pure: the policy pack and the contract tests ask the same questions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

COMMAND = "command:remote:Command"

VERBS = ("create", "update", "delete")

HOST_KEY = re.compile(r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{40,}={0,2}")

TIMEOUT = re.compile(r"\btimeout -k [1-9]\d* [1-9]\d* ")

LONG_TOKEN = re.compile(r"(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+_-]{20,}")
"""Looks generated: letters and digits, at least twenty of them in one word."""

MIN_SECRET = 8
"""Characters; a shorter value would be found in any text."""


@dataclass(frozen=True)
class Command:
    """A remote command as the engine is about to register it."""

    inputs: Mapping[str, object]
    timeouts: tuple[float, float, float]
    """Seconds that the engine gives create, update and delete; 0 where it has no limit of its own."""


Predicate = Callable[[Command], Iterator[str]]
"""Yields a sentence for each thing that is wrong."""


def command_line_is_clean(command: Command) -> Iterator[str]:
    """Nothing that looks like a secret is in a command line or an environment, which every user of a host can read."""
    for verb in VERBS:
        line = str(command.inputs.get(verb) or "")
        if LONG_TOKEN.search(line) or "-----BEGIN" in line:
            yield f"`{verb}` holds what looks like a secret: give it on standard input"
    if command.inputs.get("environment"):
        yield "`environment` is set: it shows in the host's process list; use standard input"
    if command.inputs.get("addPreviousOutputInEnv") is not False:
        yield "`addPreviousOutputInEnv` isn't false: the last output, with its secrets, would be in the environment"


def standard_input_stays_there(command: Command) -> Iterator[str]:
    """No secret of the bundle on standard input occurs in any other input."""
    line = str(command.inputs.get("stdin") or "").strip().rpartition("\n")[2]
    others = json.dumps({name: value for name, value in command.inputs.items() if name != "stdin"}, default=str)
    for name, value in _secrets(line).items():
        if len(value) >= MIN_SECRET and value in others:
            yield f"the secret {name} is also outside of standard input"


def _secrets(bundle: str) -> dict[str, str]:
    try:
        found = json.loads(bundle)["secrets"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def host_key_is_pinned(command: Command) -> Iterator[str]:
    """Another machine at the same address must not get the cluster's secrets."""
    connection = command.inputs.get("connection")
    if not isinstance(connection, Mapping):
        yield "there is no `connection`"
        return
    hops = [("connection", connection)]
    if isinstance(connection.get("proxy"), Mapping):
        hops.append(("connection.proxy", connection["proxy"]))
    for path, hop in hops:
        if not HOST_KEY.fullmatch(str(hop.get("hostKey") or "")):
            yield f"`{path}.hostKey` is missing or no public key: any machine would be believed"
        for field in ("password", "privateKey", "privateKeyPassword"):
            if hop.get(field):
                yield f"`{path}.{field}` is set: keys come from the operator's SSH agent"


def time_is_bounded(command: Command) -> Iterator[str]:
    """A host that hangs ends an update some day, in the engine and on the host."""
    for verb, seconds in zip(VERBS, command.timeouts, strict=True):
        if seconds <= 0:
            yield f"no limit for {verb}: set custom_timeouts"
        line = str(command.inputs.get(verb) or "")
        if line and not TIMEOUT.search(line):
            yield f"`{verb}` runs without `timeout -k`: the host would go on after the engine gave up"
    attempts = (command.inputs.get("connection") or {}) if isinstance(command.inputs.get("connection"), Mapping) else {}
    if isinstance(attempts, Mapping) and not 0 < _number(attempts.get("dialErrorLimit")) <= 100:
        yield "`connection.dialErrorLimit` isn't between 1 and 100: a dead host would be dialled without end"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def output_is_quiet(command: Command) -> Iterator[str]:
    """Standard output carries secrets back; it must not be logged."""
    if command.inputs.get("logging") not in ("stderr", "none"):
        yield "`logging` isn't stderr or none: the agent's answer, with its secrets, would be printed"


PREDICATES: dict[str, Predicate] = {
    "command-line-is-clean": command_line_is_clean,
    "standard-input-stays-there": standard_input_stays_there,
    "host-key-is-pinned": host_key_is_pinned,
    "time-is-bounded": time_is_bounded,
    "output-is-quiet": output_is_quiet,
}
