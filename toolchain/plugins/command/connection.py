"""The input `connection` as a type, with the same defaults as Check fills in."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolchain.plugins.command.inputs import CONNECTION_DEFAULTS
from toolchain.plugins.protocol import PluginError
from toolchain.plugins.values import Properties, Value, has_unknown, plain


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a host by SSH. What is secret does not show in its repr.

    `dial_error_limit` counts attempts, negative for no limit; `per_dial_timeout` is in seconds, 0 for none.
    `host_key` is a public key line; None accepts any key.
    """

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    private_key: str | None = field(repr=False)
    passphrase: str | None = field(repr=False)
    agent_socket: str | None
    host_key: str | None
    dial_error_limit: int
    per_dial_timeout: float
    proxy: Connection | None


def connection(value: Value) -> Connection:
    """The connection that an input describes. Raises PluginError naming a field that cannot be used."""
    fields = plain(value)
    if not isinstance(fields, dict):
        raise PluginError("the connection is not known yet" if has_unknown(fields) else "no connection is given")
    given: Properties = {**CONNECTION_DEFAULTS, **fields}
    port = int(_number(given, "port"))
    if not 0 < port < 65536:
        raise PluginError(f"connection.port {port} is no TCP port")
    return Connection(
        host=_text(given, "host") or "localhost",
        port=port,
        user=_text(given, "user") or "",
        password=_text(given, "password"),
        private_key=_text(given, "privateKey"),
        passphrase=_text(given, "privateKeyPassword"),
        agent_socket=_text(given, "agentSocketPath"),
        host_key=_text(given, "hostKey"),
        dial_error_limit=int(_number(given, "dialErrorLimit")),
        per_dial_timeout=_number(given, "perDialTimeout"),
        proxy=connection(given["proxy"]) if given.get("proxy") is not None else None,
    )


def _text(fields: Properties, name: str) -> str | None:
    match fields.get(name):
        case None:
            return None
        case str(text):
            return text
        case value:
            raise PluginError(f"connection.{name} is {'not known yet' if has_unknown(value) else 'no string'}")


def _number(fields: Properties, name: str) -> float:
    match fields.get(name):
        case bool():
            raise PluginError(f"connection.{name} is no number")
        case int() | float() as number:
            return number
        case value:
            raise PluginError(f"connection.{name} is {'not known yet' if has_unknown(value) else 'no number'}")
