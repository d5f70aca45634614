"""One request to MAAS: never through a proxy, redirected only from http to the same host's https, TLS verified."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO

TIMEOUT = 30.0
"""Seconds for one request."""
MOVED = 301
"""What a region's port 5240 answers once MAAS has TLS (maas-facts §8)."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: following one would carry the API key to whatever address it names."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def read_json(request: urllib.request.Request, ca_certificate: str = "", timeout: float = TIMEOUT) -> object:
    """The JSON that `request` brings, "" for an empty answer. Raises `OSError`, its `HTTPError` among others.

    `ca_certificate` is the PEM of the only authority that https is trusted by; "" means those of the system. `timeout`
    is in seconds.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if request.type == "https":
        handlers.append(urllib.request.HTTPSHandler(context=trusting(ca_certificate)))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=timeout) as response:
            text = response.read().decode(errors="replace")
    except http.client.HTTPException as error:  # the region that answers, or who passes it on, died meanwhile
        raise OSError(f"no whole answer: {error!r}") from None
    try:
        return json.loads(text) if text.strip() else ""
    except json.JSONDecodeError:
        raise OSError(f"no JSON in the answer: {text[:80]}") from None


def text_of(error: urllib.error.HTTPError) -> str:
    """The text of an answer that is an error, as far as it came."""
    try:
        return error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""


def trusting(ca_certificate: str) -> ssl.SSLContext:
    """A client's side of TLS that checks names and trusts this authority alone (PEM), or for "" those of the system.

    Raises `OSError` if it is no certificate.
    """
    return ssl.create_default_context(cadata=ca_certificate or None)


def secured(url: str, location: str) -> str:
    """`url` over TLS, as the redirect to `location` has it; "" unless that is the same host's https."""
    asked, target = urllib.parse.urlsplit(url), urllib.parse.urlsplit(location)
    same = asked.scheme == "http" and target.scheme == "https" and target.hostname == asked.hostname
    return target._replace(path=asked.path, query=asked.query).geturl() if same else ""


def authorization(api_key: str, nonce: str, timestamp: int) -> str:
    """The header for one request; MAAS refuses a nonce that was used before."""
    consumer, token, secret = (urllib.parse.quote(part, safe="") for part in api_key.split(":"))
    parameters = {
        "oauth_version": "1.0",
        "oauth_signature_method": "PLAINTEXT",
        "oauth_consumer_key": consumer,
        "oauth_token": token,
        "oauth_signature": f"%26{secret}",
        "oauth_nonce": nonce,
        "oauth_timestamp": str(timestamp),
    }
    return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def multipart(fields: Mapping[str, str], boundary: str) -> bytes:
    """A form as MAAS's own client sends it."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return ("".join(parts) + f"--{boundary}--\r\n").encode()
