"""HTTP as `maas` speaks it: OAuth 1.0 PLAINTEXT and the commands of the `describe/` document (maas-facts §5)."""

import json
import re
import secrets
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

API = "api/2.0/"
TIMEOUT_S = 900


class Unreachable(Exception):  # noqa: N818 (a state, not a mistake)
    """No answer from the API; the text is the reason."""


@dataclass(frozen=True)
class Answer:
    """What the API said."""

    status: int
    content_type: str
    body: str

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    def pretty(self) -> str:
        """The body, JSON indented."""
        if self.ok and self.content_type.startswith("application/json"):
            return json.dumps(json.loads(self.body), indent=4, sort_keys=True)
        return self.body


@dataclass(frozen=True)
class Action:
    """One operation of the API."""

    handler: str
    """Its handler's name on the command line, such as `rack-controller`."""
    name: str
    """Its own, such as `delete`."""
    method: str
    op: str | None
    path: str
    """With its parameters in braces, such as `/MAAS/api/2.0/rackcontrollers/{system_id}/`."""
    parameters: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class Trust:
    """How the server's certificate is checked."""

    insecure: bool = False
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """For urllib."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def api_url(url: str) -> str:
    """The API's URL for what a user gives: `http://host:5240/MAAS` or the API's URL itself."""
    base = url.rstrip("/") + "/"
    return base if base.endswith(f"/{API}") else base + API


def authorization(key: str) -> str:
    """The header for one request: nonces are never used twice (maas-facts §5)."""
    consumer, token, secret = key.split(":")
    fields = {
        "oauth_version": "1.0",
        "oauth_signature_method": "PLAINTEXT",
        "oauth_consumer_key": consumer,
        "oauth_token": token,
        "oauth_signature": f"%26{secret}",
        "oauth_nonce": secrets.token_hex(16),
        "oauth_timestamp": str(int(time.time())),
    }
    return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def request(
    method: str, url: str, key: str, data: Sequence[tuple[str, str]] = (), trust: Trust | None = None
) -> Answer:
    """One request; `data` goes into the body of POST and PUT, else into the query.

    Raises:
        Unreachable: no answer.
    """
    encoded = urllib.parse.urlencode(data)
    body = encoded.encode() if method in {"POST", "PUT"} else None
    if encoded and body is None:
        url += ("&" if "?" in url else "?") + encoded
    headers = {"Accept": "application/json"} | ({"Authorization": authorization(key)} if key else {})
    prepared = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
    context = (trust or Trust()).context() if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(prepared, timeout=TIMEOUT_S, context=context) as response:  # noqa: S310
            return Answer(response.status, response.headers.get("Content-Type", ""), response.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers.get("Content-Type", ""), error.read().decode(errors="replace"))
    except (OSError, ValueError) as error:
        raise Unreachable(f"{url}: {getattr(error, 'reason', error)}") from None


def handler_command(name: str) -> str:
    """`RackControllersHandler` → `rack-controllers`, `IPRangesHandler` → `ipranges`."""
    words: list[str] = re.findall(r"[A-Z]+[^A-Z]*", name.removesuffix("Handler")) or [name]
    return "-".join(words).lower()


def actions(description: object, anonymous: bool) -> Iterator[Action]:
    """The operations in a `describe/` document."""
    for resource in _list(_field(description, "resources")):
        handler = _field(resource, "anon" if anonymous else "auth") or _field(resource, "anon")
        for action in _list(_field(handler, "actions")):
            op = _field(action, "op")
            yield Action(
                handler=handler_command(str(_field(resource, "name"))),
                name=str(_field(action, "name")).replace("_", "-"),
                method=str(_field(action, "method")),
                op=None if op is None else str(op),
                path=str(_field(handler, "path")),
                parameters=tuple(str(parameter) for parameter in _list(_field(handler, "params"))),
                summary=next(iter(str(_field(action, "doc") or "").strip().splitlines()), ""),
            )


def action_url(action: Action, profile_url: str, arguments: dict[str, str]) -> str:
    """The URL of an operation, on the host of the profile whatever host the document names (maas-facts §1.5)."""
    path = action.path
    for name, value in arguments.items():
        path = path.replace(f"{{{name}}}", urllib.parse.quote(value, safe=""))
    query = "" if action.op is None else urllib.parse.urlencode({"op": action.op})
    parts = urllib.parse.urlsplit(profile_url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
