"""Steady load on MAAS, as many clients make it: requests begin on time, whatever became of those before."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
import urllib.parse
from dataclasses import dataclass, field
from http import HTTPStatus

from agent.errors import StepError
from agent.maas_api import MaasApi, RefusedError
from agent.maas_http import authorization, multipart, trusting

PER_SECOND = 25
WRITES = 5
"""Every fifth request is a write."""
TIMEOUT = 10.0
"""Seconds after which a client calls its request failed."""
PREFIX = "maas-ha-drill-"
"""Of each tag's name: a write is a tag without a definition, which is on no machine."""


@dataclass(frozen=True)
class Request:
    """One request and what became of it."""

    begun: float
    """Monotonic seconds."""
    seconds: float
    failed: str = ""
    """Why; "" where MAAS answered 200."""
    tag: str = ""
    """What it was to write; "" for a read."""

    @property
    def ended(self) -> float:
        """Monotonic seconds."""
        return self.begun + self.seconds


@dataclass
class Load:
    """Clients of the MAAS at `url`, each with a connection of its own for each request."""

    url: str
    api_key: str = field(repr=False)
    ca_certificate: str = ""
    requests: list[Request] = field(default_factory=list)
    """Those that have ended, in that order."""

    async def run(self) -> None:
        """Go on until cancelled; then wait for what is under way."""
        under_way: set[asyncio.Task[None]] = set()
        context = trusting(self.ca_certificate) if self.url.startswith("https:") else None
        name, begun, number = f"{PREFIX}{secrets.token_hex(4)}", time.monotonic(), 0
        try:
            while True:
                tag = f"{name}-{number}" if number % WRITES == 0 else ""
                task = asyncio.create_task(self._request(context, tag))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                number += 1
                await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
        finally:
            await asyncio.gather(*under_way)

    async def _request(self, context: ssl.SSLContext | None, tag: str) -> None:
        begun, failed = time.monotonic(), ""
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._exchange(context, tag)
            failed = "" if status == 200 else f"answered {status}"
        except TimeoutError:
            failed = f"no answer within {TIMEOUT:.0f} s"
        except (OSError, ValueError) as error:
            failed = str(error) or type(error).__name__
        self.requests.append(Request(begun, time.monotonic() - begun, failed, tag))

    async def _exchange(self, context: ssl.SSLContext | None, tag: str) -> int:
        """The status of a whole answer. Raises `OSError`, or `ValueError` for what is none."""
        target = urllib.parse.urlsplit(self.url)
        port = target.port or (443 if context else 80)
        reader, writer = await asyncio.open_connection(target.hostname, port, ssl=context)
        try:
            writer.write(self._text(target, tag))
            answer = await reader.read()
        finally:
            writer.close()
        return status_of(answer)

    def _text(self, target: urllib.parse.SplitResult, tag: str) -> bytes:
        """The request as it goes over the wire."""
        boundary = secrets.token_hex(16)
        body = multipart({"name": tag, "comment": "written by maas-ha drill"}, boundary) if tag else b""
        what = f"POST {target.path}/api/2.0/tags/" if tag else f"GET {target.path}/api/2.0/users/?op=whoami"
        lines = [
            f"{what} HTTP/1.1",
            f"Host: {target.netloc}",
            f"Authorization: {authorization(self.api_key, secrets.token_hex(16), int(time.time()))}",
            "Connection: close",
        ]
        if tag:
            lines += [f"Content-Type: multipart/form-data; boundary={boundary}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


def status_of(answer: bytes) -> int:
    """The status of an answer that is whole. Raises `ValueError` for one that isn't."""
    head, end, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split()
    if not end or len(words) < 2 or not words[1].isdecimal():
        raise ValueError("the connection was closed before an answer")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if len(body) < int(headers.get("content-length", "0")):
        raise ValueError("the answer was cut off")
    return int(words[1])


def tags_of_drills(api: MaasApi) -> set[str]:
    """Names of the tags that drills have written, this one and any that was cut off."""
    return {name for tag in api.read("tags/") if (name := str(tag.get("name"))).startswith(PREFIX)}


def sweep(api: MaasApi, rounds: int = 5) -> None:
    """Delete all of them, those too that a region writes late. Raises `StepError` if some stay."""
    for _ in range(rounds):
        left = tags_of_drills(api)
        if not left:
            return
        for name in sorted(left):
            _delete(api, name)
    raise StepError(f"{len(tags_of_drills(api))} tags named {PREFIX}… stay in MAAS: delete them there")


def _delete(api: MaasApi, name: str) -> None:
    try:
        api.delete_tag(name)
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
