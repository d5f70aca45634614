"""What every provider plugin does: serve the protocol, refuse what it does not have, cancel running calls."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import grpc  # type: ignore[import-untyped]  # grpcio ships no types
from google.protobuf import empty_pb2

from toolchain.plugins.engine import EngineLog
from toolchain.plugins.stubs import plugin_pb2, provider_pb2, provider_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    class ServerContext(Protocol):
        """The part of a gRPC call's context that is used here."""

        async def abort(self, code: object, details: str) -> NoReturn: ...


UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
MAX_MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit
SECONDS_BETWEEN_PARENT_CHECKS = 5.0
SECONDS_TO_STOP = 5.0

Self = TypeVar("Self", bound="Provider")
Request = TypeVar("Request")
Response = TypeVar("Response")


class PluginError(Exception):
    """A foreseeable failure of a call; `text` goes to the engine as it is, and holds no secret of ours.

    The official plugins answer nearly all failures with the code UNKNOWN, so it is the default.
    """

    def __init__(self, text: str, code: object = grpc.StatusCode.UNKNOWN) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def rpc(
    method: Callable[[Self, Request], Coroutine[Any, Any, Response]],
) -> Callable[[Self, Request, ServerContext], Coroutine[Any, Any, Response]]:
    """Make a method of a provider an RPC: `Cancel` stops it, and a `PluginError` becomes its status."""

    @functools.wraps(method)
    async def call(self: Self, request: Request, context: ServerContext) -> Response:
        work = asyncio.create_task(method(self, request))
        self.running.add(work)
        try:
            return await work
        except PluginError as error:
            return await context.abort(error.code, error.text)
        except asyncio.CancelledError:
            if not work.cancelled() or asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise  # the engine gave up on the call
            return await context.abort(grpc.StatusCode.CANCELLED, f"{method.__name__} was cancelled")
        finally:
            self.running.discard(work)

    return call


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The calls that all plugins answer alike.

    `types` are the resource types that the plugin has; any other is refused by name.
    """

    def __init__(self, name: str, version: str, types: Iterable[str], engine: EngineLog) -> None:
        self.name = name
        self.version = version
        self.types = sorted(types)
        self.engine = engine
        self.running: set[asyncio.Task[Any]] = set()

    def resource_type(self, urn: str, type_: str) -> str:
        """The resource type of a request (from the URN where an old engine sends no type).

        Raises PluginError for a type that this plugin does not have.
        """
        wanted = type_ or urn.split("::")[2].rpartition("$")[2]
        if wanted not in self.types:
            raise PluginError(
                f"the bundled {self.name} plugin has no resource type {wanted!r}, only {', '.join(self.types)}; "
                f"install the official {self.name} plugin {self.version}",
                INVALID_ARGUMENT,
            )
        return wanted

    @rpc
    async def GetPluginInfo(self, _request: empty_pb2.Empty) -> plugin_pb2.PluginInfo:  # noqa: N802 - RPC name
        return plugin_pb2.PluginInfo(version=self.version)

    @rpc
    async def Invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:  # noqa: N802
        raise PluginError(f"the bundled {self.name} plugin has no function {request.tok!r}", UNIMPLEMENTED)

    async def Cancel(self, _request: empty_pb2.Empty, _context: ServerContext) -> empty_pb2.Empty:  # noqa: N802
        """Stop every running call; each answers CANCELLED after it has closed what it opened."""
        for work in list(self.running):
            work.cancel()
        return empty_pb2.Empty()


async def _gone(parent: int) -> None:
    """Return when the process that started this one is gone (an engine that was killed cannot tell us)."""
    while os.getppid() == parent:
        await asyncio.sleep(SECONDS_BETWEEN_PARENT_CHECKS)


async def _serve(make: Callable[[EngineLog], Provider], engine_address: str, parent: int) -> None:
    limits = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.aio.server(options=limits)
    provider = make(EngineLog(engine_address))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopped = asyncio.ensure_future(_gone(parent))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await stopped
    for work in list(provider.running):
        work.cancel()
    await server.stop(SECONDS_TO_STOP if provider.running else 0)


def main(make: Callable[[EngineLog], Provider], arguments: list[str]) -> int:
    """Run the provider that `make` returns; `arguments` are the process's own: flags of the engine's, then its address.

    Prints the port that it listens on (127.0.0.1) as its first line, as the engine expects.
    """
    if not arguments:
        sys.stderr.write("this is a Pulumi provider plugin, to be started by pulumi with the address of its engine\n")
        return 2
    asyncio.run(_serve(make, arguments[-1], os.getppid()))
    os._exit(0)  # the engine waits for one plugin after the other to be gone
