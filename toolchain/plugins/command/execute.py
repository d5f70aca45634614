"""Running one command over an SSH connection. Imported late: it loads asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncssh
from asyncssh.packet import String

from toolchain.plugins.command.quoting import quoted
from toolchain.plugins.protocol import PluginError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolchain.plugins.command.output import Output

WINDOW_BYTES = 2 * 1024 * 1024
PACKET_BYTES = 32 * 1024
SECONDS_AFTER_TERM = 3.0
# both sessions are children of one sshd process, and each leads a process group
TERMINATE = 'for p in $(cat /proc/$PPID/task/*/children); do [ "$p" = $$ ] || kill -TERM -- "-$p"; done'
REFUSED = (
    "Unable to set '{}'. This only works if your SSH server is configured to accept\n\tthese variables via AcceptEnv. "
    "Alternatively, if a Bash-like shell runs the command on the remote host, you could\n\tprefix the command itself "
    "with the variables in the form 'VAR=value command'"
)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: `text` in the login shell, with `stdin` and then its end.

    `shown` stands for the command in an error. The variables in `previous` may be refused by the host, those in
    `environment` may not.
    """

    text: str = field(repr=False)
    shown: str
    stdin: bytes = field(repr=False)
    environment: dict[str, bytes] = field(repr=False)
    previous: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Warnings:
    """Where a refused variable is logged: as an error if it was needed, else as a warning."""

    error: Callable[[str], Awaitable[None]]
    warning: Callable[[str], Awaitable[None]]


class _Session(asyncssh.SSHClientSession[bytes]):
    """Hands on what the command writes; `closed` ends with the channel."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._output.add(data, is_stderr=datatype == asyncssh.EXTENDED_DATA_STDERR)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class _Channel(asyncssh.SSHClientChannel[bytes]):
    """A session channel that learns whether the host takes each variable, and that can run an empty command.

    asyncssh's own `env` asks for no reply, and an empty command opens a shell there, which would run its stdin.
    """

    def __init__(self, command: Command, warnings: Warnings, connection: asyncssh.SSHClientConnection) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(connection, loop, "strict", None, "strict", WINDOW_BYTES, PACKET_BYTES)
        self._to_run = command
        self._warnings = warnings

    async def start(self, session: _Session) -> None:
        """Open the channel and start the command."""
        unused_pty: tuple[bool, None, None, dict[int, int]] = (False, None, None, {})
        await self.create(lambda: session, None, None, {}, *unused_pty, False, None, None, False, False)

    async def _make_request(self, request: bytes, *args: bytes) -> bool | None:
        if request != b"shell":
            return await super()._make_request(request, *args)
        for name, value in self._to_run.environment.items():
            if not await self._set(name, value):
                await self._warnings.error(REFUSED.format(name))
                raise PluginError(f'could not set environment variable "{name}": ssh: setenv failed')
        for name, value in self._to_run.previous.items():
            if not await self._set(name, value):
                await self._warnings.warning(REFUSED.format(name))
        return await super()._make_request(b"exec", String(self._to_run.text))

    async def _set(self, name: str, value: bytes) -> bool:
        return bool(await super()._make_request(b"env", String(name), String(value)))


async def execute(
    connection: asyncssh.SSHClientConnection, command: Command, output: Output, warnings: Warnings
) -> None:
    """Run the command to its end. Raises PluginError if it fails; when cancelled, sends it SIGTERM."""
    session = _Session(output)
    channel = _Channel(command, warnings, connection)
    try:
        await channel.start(session)
    except asyncssh.Error as error:
        raise PluginError(f"ssh: {error.reason}: running {quoted(command.shown)}") from None
    with contextlib.suppress(BrokenPipeError):  # the command may end without reading
        channel.write(command.stdin)
        channel.write_eof()
    try:
        await asyncio.shield(session.closed)
    except asyncio.CancelledError:
        await _terminate(connection, channel, session)
        raise
    await output.logged()
    if ending := _ending(channel):
        raise PluginError(f"{ending}: running {quoted(command.shown)}:\n{output.interleaved()}")


async def _terminate(connection: asyncssh.SSHClientConnection, channel: _Channel, session: _Session) -> None:
    """Send the command SIGTERM and give it a moment to end.

    sshd takes SSH's own signal request only for users other than root, so a second session does it.
    """
    with contextlib.suppress(OSError, TimeoutError):  # OSError: the channel is closed
        async with asyncio.timeout(SECONDS_AFTER_TERM):
            try:
                await connection.run(TERMINATE, check=False)
            except asyncssh.Error:
                channel.send_signal("TERM")
            await session.closed


def _ending(channel: _Channel) -> str:
    """How the command failed, in the official plugin's words; "" if it did not."""
    if killed := channel.get_exit_signal():
        name, _, message, _ = killed
        number = getattr(signal, f"SIG{name}", 0)
        reason = f". Reason was: {message}" if message else ""
        return f"Process exited with status {128 + number} from signal {name}{reason}"
    match channel.get_exit_status():
        case None:
            return "wait: remote command exited without exit status or exit signal"
        case 0:
            return ""
        case status:
            return f"Process exited with status {status}"
