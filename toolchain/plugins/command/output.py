"""What a remote command writes: gathered whole, and logged line by line while it runs."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOT_UTF8 = re.compile("[\udc80-\udcff]+")
LOG_LINE_CHARACTERS = 65_536  # a longer line is logged in pieces; the official plugin hangs at it
ERROR_BYTES = 1024 * 1024  # an error text holds no more than the end of the output
LOGGED = {"stdout": (True, False), "stderr": (False, True), "none": (False, False)}


def readable(data: bytes) -> str:
    """Output as text; each run of bytes that are not UTF-8 becomes one U+FFFD."""
    return NOT_UTF8.sub("\ufffd", data.decode(errors="surrogateescape"))


class Output:
    """Both streams of one command. `logging` is the input of that name; absent means both streams."""

    def __init__(self, logging: str | None, log: Callable[[str], Awaitable[None]]) -> None:
        self._chunks: list[tuple[bool, bytes]] = []
        self._logs_stdout, self._logs_stderr = LOGGED.get(logging or "", (True, True))
        self._log = log
        self._partial = bytearray()  # both streams share one line, as in the official plugin
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._sender = asyncio.create_task(self._send())

    def add(self, data: bytes, *, is_stderr: bool) -> None:
        """Take what came."""
        self._chunks.append((is_stderr, data))
        if not (self._logs_stderr if is_stderr else self._logs_stdout):
            return
        self._partial += data
        if b"\n" in data:
            *whole, rest = bytes(self._partial).split(b"\n")
            self._partial = bytearray(rest)
            for line in whole:
                self._queue(line)

    async def logged(self) -> None:
        """Wait until the log has every line; the last one may lack its newline."""
        if self._partial:
            self._queue(bytes(self._partial))
            self._partial.clear()
        self._lines.put_nowait(None)
        await self._sender

    def stop(self) -> None:
        """Drop the lines that are not logged yet."""
        self._sender.cancel()

    def stream(self, *, is_stderr: bool) -> bytes:
        """One stream without its last newline."""
        return b"".join(data for of, data in self._chunks if of is is_stderr).removesuffix(b"\n")

    def interleaved(self) -> str:
        """Both streams as they came, for an error text."""
        data = b"".join(data for _, data in self._chunks)
        left_out = len(data) - ERROR_BYTES
        return f"[{left_out} bytes left out]\n{readable(data[left_out:])}" if left_out > 0 else readable(data)

    def _queue(self, line: bytes) -> None:
        text = readable(line)
        for at in range(0, max(len(text), 1), LOG_LINE_CHARACTERS):
            self._lines.put_nowait(text[at : at + LOG_LINE_CHARACTERS])

    async def _send(self) -> None:
        while (line := await self._lines.get()) is not None:
            await self._log(line)
