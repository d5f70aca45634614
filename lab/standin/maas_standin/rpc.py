"""The stand-in's own region↔rack protocol: a JSON object a line, calls both ways, mutual proof of the secret.

MAAS speaks AMP here; the order of things is MAAS's: each side authenticates the other before anything else is answered
(maas-facts §4.4).
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypedDict

from . import shared_secret

Arguments = Mapping[str, Any]
Answer = dict[str, Any]
Handler = Callable[[Arguments], Awaitable[Answer]]

CALL_TIMEOUT_S = 30.0
LINE_LIMIT = 4 * 1024 * 1024


class ConnectionLostError(Exception):
    """The other side closed the connection before it answered."""


class RemoteError(Exception):
    """The other side's handler failed; carries its text."""


class Message(TypedDict, total=False):
    """A call has `command` and `args`; a reply has `answer` or `error`."""

    id: int
    command: str
    args: Answer
    answer: Answer
    error: str


class Peer:
    """One connection. `serve` reads from it until it closes; `call` may be used meanwhile."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.handlers: dict[str, Handler] = {}
        self.closed = asyncio.Event()

    @property
    def remote(self) -> str:
        """The other side's `ip:port`; IPv4 as `::ffff:IP:port`, as the region's dual-stack socket sees it."""
        host, port = self._writer.get_extra_info("peername")[:2]
        return f"{host}:{port}" if ":" in host else f"::ffff:{host}:{port}"

    async def call(self, command: str, /, **args: object) -> Answer:
        """The answer to a command, within 30 s. Raises ConnectionLostError, RemoteError, or TimeoutError."""
        return await self.call_within(CALL_TIMEOUT_S, command, args)

    async def call_within(self, timeout: float, command: str, args: Arguments) -> Answer:
        """`call` with `timeout` seconds to answer in."""
        if self.closed.is_set():
            raise ConnectionLostError(command)
        self._next += 1
        number = self._next
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._send(Message(id=number, command=command, args=dict(args)))
            return await asyncio.wait_for(future, timeout)
        except TimeoutError as error:
            raise TimeoutError(command) from error
        finally:
            self._waiting.pop(number, None)

    async def serve(self) -> None:
        """Answer and deliver until the connection closes."""
        try:
            while line := await self._reader.readline():
                self._receive(json.loads(line))
        except (OSError, ValueError):
            pass  # reset, or half a line at the end: the connection is gone either way
        finally:
            await self.close()

    async def close(self) -> None:
        """Close; calls under way raise ConnectionLostError."""
        if self.closed.is_set():
            return
        self.closed.set()
        self._writer.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionLostError("connection closed"))

    def _receive(self, message: Message) -> None:
        if "command" in message:
            task = asyncio.get_running_loop().create_task(self._handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(RemoteError(message["error"]))
        else:
            future.set_result(message["answer"])

    async def _handle(self, message: Message) -> None:
        handler = self.handlers.get(message["command"])
        reply = Message(id=message["id"])
        if handler is None:
            reply["error"] = f"Unhandled command: {message['command']}"
        else:
            try:
                reply["answer"] = await handler(message["args"])
            except Exception as error:  # noqa: BLE001 - whatever a handler raises belongs to the caller
                reply["error"] = f"{type(error).__name__}: {error}"
        if not self.closed.is_set():
            await self._send(reply)

    async def _send(self, message: Message) -> None:
        try:
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()
        except OSError as error:
            await self.close()
            raise ConnectionLostError(str(error)) from error


class Handshake:
    """Mutual authentication on one connection.

    Both sides challenge at once, and neither drops the other before it has answered itself, so that with different
    secrets both of them log the failure (maas-facts §3).
    """

    GRACE_S = 2.0

    def __init__(self, peer: Peer, secret: str) -> None:
        self._peer = peer
        self._secret = secret
        self._answered = asyncio.Event()
        self.passed = asyncio.Event()
        peer.handlers["Authenticate"] = self._answer

    async def run(self) -> bool:
        """Whether the other side knows the secret. Raises ConnectionLostError, RemoteError, TimeoutError."""
        message = secrets.token_bytes(16)
        reply = await self._peer.call("Authenticate", message=message.hex())
        salt, given = bytes.fromhex(reply["salt"]), bytes.fromhex(reply["digest"])
        if shared_secret.matches(self._secret, message, salt, given):
            self.passed.set()
            return True
        with contextlib.suppress(asyncio.TimeoutError):  # it may never ask
            await asyncio.wait_for(self._answered.wait(), self.GRACE_S)
        return False

    async def _answer(self, args: Arguments) -> Answer:
        salt = secrets.token_bytes(16)
        digest = shared_secret.digest(self._secret, bytes.fromhex(args["message"]), salt)
        asyncio.get_running_loop().call_later(0.05, self._answered.set)  # after the reply went out
        return {"digest": digest.hex(), "salt": salt.hex()}
