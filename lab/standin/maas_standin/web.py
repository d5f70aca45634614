"""Requests and responses of the HTTP API, and the errors it answers with."""

import email.message
import email.parser
import email.policy
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Fields = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Fields
    form: Fields
    headers: Fields
    """By lower-case name."""

    @classmethod
    def parse(cls, method: str, target: str, headers: Fields, body: bytes) -> "Request":
        """From what arrived on the wire; MAAS takes urlencoded and multipart forms."""
        parts = urlsplit(target)
        lowered = {name.lower(): value for name, value in headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, parts.path, query, _form(lowered.get("content-type", ""), body), lowered)

    @property
    def op(self) -> str | None:
        """The named operation, `?op=…`."""
        return self.query.get("op")


@dataclass(frozen=True)
class Response:
    """One HTTP response."""

    status: HTTPStatus
    content_type: str
    body: bytes

    @classmethod
    def json(cls, data: object, status: HTTPStatus = HTTPStatus.OK) -> "Response":
        """A JSON document, indented as MAAS indents its own."""
        return cls(status, "application/json", json.dumps(data, indent=4).encode())

    @classmethod
    def text(cls, text: str, status: HTTPStatus = HTTPStatus.OK) -> "Response":
        """Plain text."""
        return cls(status, "text/plain; charset=utf-8", text.encode())


NO_CONTENT = Response(HTTPStatus.NO_CONTENT, "text/plain; charset=utf-8", b"")


class ApiError(Exception):
    """A refusal; `response` says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.body.decode())
        self.response = response


def refuse(status: HTTPStatus, text: str) -> ApiError:
    """A refusal in plain text, as MAAS gives 401, 403 and 404 (maas-facts §5)."""
    return ApiError(Response.text(text, status))


def invalid(errors: dict[str, list[str]]) -> ApiError:
    """A form's 400: texts by field, or under `__all__` (maas-facts §5)."""
    return ApiError(Response.json(errors, HTTPStatus.BAD_REQUEST))


def not_found() -> ApiError:
    """An object that isn't there."""
    return refuse(HTTPStatus.NOT_FOUND, "Not Found")


def _form(content_type: str, body: bytes) -> Fields:
    if content_type.startswith("multipart/form-data"):
        return _multipart(content_type, body)
    if content_type.startswith("application/json"):
        data = json.loads(body or b"{}")
        return {str(k): _as_text(v) for k, v in data.items()}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _multipart(content_type: str, body: bytes) -> Fields:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    form: Fields = {}
    for part in message.iter_parts() if isinstance(message, email.message.EmailMessage) else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            form[name] = payload.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    return form


def _as_text(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
