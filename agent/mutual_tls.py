"""JSON over TLS between the hosts of a PostgreSQL cluster, where both ends have a certificate of its authority."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from agent.cluster_settings import AUTHORITY, CERTIFICATE, KEY
from agent.errors import StepError
from agent.paths import Paths

TIMEOUT = 5.0
"""Seconds for an answer, where the caller doesn't know better."""


class NoAnswerError(StepError):
    """The other end can't be reached, or says what isn't understood."""

    def __init__(self, cause: str, *, silent: bool = False) -> None:
        super().__init__(cause)
        self.silent = silent
        """True if it didn't answer in time."""


@dataclass(frozen=True)
class Answer:
    """A status and what came with it."""

    status: int
    text: str

    @property
    def fields(self) -> dict[str, object]:
        """The text as a JSON object. Raises `NoAnswerError` if it is none."""
        try:
            found = json.loads(self.text)
        except json.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise NoAnswerError(f"no JSON object came with status {self.status}")
        return found


@dataclass(frozen=True)
class Peer:
    """A service at an address, called with the certificate in a folder of this host."""

    paths: Paths
    folder: str
    address: str
    port: int

    def call(self, method: str, path: str, body: object = None, timeout: float = TIMEOUT) -> Answer:
        """Ask, with `body` as JSON if there is one. Raises `NoAnswerError`."""
        text = None if body is None else json.dumps(body)
        try:
            connection = http.client.HTTPSConnection(self.address, self.port, timeout=timeout, context=self._context())
            try:
                connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
                answer = connection.getresponse()
                return Answer(answer.status, answer.read().decode(errors="replace"))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            silent = isinstance(error, socket.timeout)  # TimeoutError itself only since Python 3.10
            raise NoAnswerError(f"{self.address}:{self.port}: {reason}", silent=silent) from None

    def _context(self) -> ssl.SSLContext:
        place = self.paths.at(self.folder)
        context = ssl.create_default_context(cafile=str(place / AUTHORITY))
        context.load_cert_chain(str(place / CERTIFICATE), str(place / KEY))
        return context


def first_answer(peers: Iterable[Peer], method: str, path: str, body: object = None) -> dict[str, object]:
    """What the first of `peers` says that answers with status 200. Raises `NoAnswerError` with every peer's reason."""
    reasons = []
    for peer in peers:
        try:
            answer = peer.call(method, path, body)
            if answer.status == 200:
                return answer.fields
            reasons.append(f"{peer.address}: status {answer.status}")
        except NoAnswerError as error:
            reasons.append(error.cause)
    raise NoAnswerError("; ".join(reasons))
