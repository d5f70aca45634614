"""Opening SSH connections: keys, pinned host keys, retries, proxies. Imported late: it loads asyncssh."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncssh

from toolchain.plugins.protocol import PluginError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from toolchain.plugins.command.connection import Connection

    Note = Callable[[str], Awaitable[None]]

FIRST_WAIT = 0.1  # seconds; grows by half after each failure
LONGEST_WAIT = 5.0
SECONDS_TO_CLOSE = 2.0
# a host that answers nothing for five minutes is gone; a command may well be silent for longer
KEEPALIVE_INTERVAL = 30
KEEPALIVE_COUNT = 10


class _DialError(Exception):
    """One failed attempt; its text is the last part of the error."""


class _Client(asyncssh.SSHClient):
    """Remembers whether the TCP connection came about, for the error text of a timeout."""

    def __init__(self) -> None:
        self.connected = False

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connected = True


@dataclass(frozen=True, slots=True)
class _Credentials:
    keys: list[asyncssh.SSHKey | asyncssh.SSHKeyPair]
    host_key: asyncssh.SSHKey | None


@asynccontextmanager
async def connected(target: Connection, note: Note) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection to the host, closed at the end. `note` gets a line for each failed attempt.

    Raises PluginError: at once for a key or agent that cannot be used, else after the last attempt.
    """
    async with AsyncExitStack() as stack:
        credentials = await _credentials(target, stack)
        tunnel = await _through(target.proxy, note, stack) if target.proxy else None
        opened = await _dial(target, credentials, tunnel, note, "")
        stack.push_async_callback(_close, opened)
        yield opened


async def _through(proxy: Connection, note: Note, stack: AsyncExitStack) -> asyncssh.SSHClientConnection:
    try:
        credentials = await _credentials(proxy, stack)
        opened = await _dial(proxy, credentials, None, note, "proxy ")
    except PluginError as error:
        raise PluginError(f"proxy: {error.text}") from None
    stack.push_async_callback(_close, opened)
    return opened


async def _close(opened: asyncssh.SSHClientConnection) -> None:
    opened.close()
    try:
        async with asyncio.timeout(SECONDS_TO_CLOSE):
            await opened.wait_closed()
    except TimeoutError:
        opened.abort()


async def _dial(
    target: Connection,
    credentials: _Credentials,
    tunnel: asyncssh.SSHClientConnection | None,
    note: Note,
    what: str,
) -> asyncssh.SSHClientConnection:
    limit, failed, wait = target.dial_error_limit, 0, FIRST_WAIT
    while True:
        try:
            return await _attempt(target, credentials, tunnel)
        except _DialError as error:
            last = str(error)
        if limit == 0:
            raise PluginError(f"after 0 failed attempts: {last}")
        failed += 1
        await note(f"Dial {what}{failed}/{limit if limit > 0 else 'inf'} failed: retrying")
        if failed == limit:
            raise PluginError(f"after {failed} failed attempts: {last}")
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, LONGEST_WAIT)


async def _attempt(
    target: Connection, credentials: _Credentials, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    address = f"{target.host}:{target.port}"
    client = _Client()
    try:
        async with asyncio.timeout(target.per_dial_timeout or None):
            return await asyncssh.connect(
                target.host,
                target.port,
                tunnel=tunnel or (),
                client_factory=lambda: client,
                config=None,  # no file of the user that runs the engine has a say
                known_hosts=([credentials.host_key], [], []) if credentials.host_key else None,
                x509_trusted_certs=None,
                username=target.user,
                password=target.password,
                client_keys=credentials.keys or None,
                agent_path=None,
                public_key_auth=bool(credentials.keys),
                password_auth=target.password is not None,
                kbdint_auth=target.password is not None,
                host_based_auth=False,
                gss_auth=False,
                gss_kex=False,
                login_timeout=0,
                keepalive_interval=KEEPALIVE_INTERVAL,
                keepalive_count_max=KEEPALIVE_COUNT,
            )
    except TimeoutError:
        if client.connected:
            text = f"ssh: handshake failed: no login at {address} within {target.per_dial_timeout:g} s"
        else:
            text = f"dial tcp {address}: i/o timeout"
        raise _DialError(text) from None
    except socket.gaierror:
        raise _DialError(f"dial tcp: lookup {target.host}: no such host") from None
    except OSError as error:
        raise _DialError(f"dial tcp {address}: connect: {_reason(error)}") from None
    except asyncssh.Error as error:
        raise _DialError(_refusal(error, credentials)) from None


def _refusal(error: asyncssh.Error, credentials: _Credentials) -> str:
    """A failed handshake in the words of the official plugin."""
    match error:
        case asyncssh.PermissionDenied():
            tried = "none publickey" if credentials.keys else "none"
            text = f"ssh: unable to authenticate, attempted methods [{tried}], no supported methods remain"
        case asyncssh.HostKeyNotVerifiable():
            text = "ssh: host key mismatch"
        case asyncssh.KeyExchangeFailed() if "host key" in error.reason:
            text = "ssh: host key mismatch (the host has no key of the pinned type)"
        case asyncssh.ChannelOpenError():
            return f"ssh: rejected: connect failed ({error.reason})"
        case _:
            text = f"ssh: {error.reason or type(error).__name__}"
    return f"ssh: handshake failed: {text}"


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def _credentials(target: Connection, stack: AsyncExitStack) -> _Credentials:
    """The keys to log in with and the pinned host key. A private key is used alone, without the agent's."""
    host_key = None if target.host_key is None else _host_key(target.host_key)
    if target.private_key is not None:
        # a passphrase takes a while to try, which must not hold up the other calls
        key = await asyncio.to_thread(_private_key, target.private_key, target.passphrase)
        return _Credentials([key], host_key)
    path = target.agent_socket or os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        return _Credentials([], host_key)
    try:
        agent = await asyncssh.connect_agent(path)
    except OSError as error:
        raise PluginError(f"dial unix {path}: connect: {_reason(error)}") from None
    stack.push_async_callback(agent.wait_closed)
    stack.callback(agent.close)
    try:
        return _Credentials(list(await agent.get_keys()), host_key)
    except ValueError as error:
        raise PluginError(f"the SSH agent at {path} gives no keys: {error}") from None


def _private_key(text: str, passphrase: str | None) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text, passphrase)
    except asyncssh.KeyEncryptionError:
        raise PluginError("x509: decryption password incorrect") from None
    except asyncssh.KeyImportError as error:
        if passphrase is None and "assphrase" in str(error):
            raise PluginError("ssh: this private key is passphrase protected") from None
        raise PluginError("ssh: no key found") from None


def _host_key(text: str) -> asyncssh.SSHKey:
    """The key in `type base64 [comment]` or in a known_hosts line."""
    words = text.split()
    for line in (" ".join(words[:2]), " ".join(words[1:3])):
        try:
            return asyncssh.import_public_key(line)
        except asyncssh.KeyImportError:
            continue
    raise PluginError("failed to parse host key: ssh: no key found")
