"""Log lines for the engine, which shows them beside the resource that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc  # type: ignore[import-untyped]  # grpcio ships no types

from toolchain.plugins.stubs import engine_pb2, engine_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    from google.protobuf import empty_pb2

    class _LogCall(Protocol):
        def __call__(self, request: engine_pb2.LogRequest, *, timeout: float) -> Awaitable[empty_pb2.Empty]: ...


INFO = engine_pb2.INFO
WARNING = engine_pb2.WARNING
ERROR = engine_pb2.ERROR
SECONDS_PER_LINE = 30.0


class EngineLog:
    """The engine's log service.

    A line that cannot be delivered is dropped: a lost log line must not fail the operation that it tells of.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._call: _LogCall | None = None

    def use(self, address: str) -> None:
        """Send to `address` from now on (the Handshake names the engine's address anew)."""
        if address and address != self._address:
            self._address, self._call = address, None

    async def line(
        self, severity: engine_pb2.LogSeverity.ValueType, text: str, urn: str, *, ephemeral: bool = False
    ) -> None:
        """Log one line for the resource `urn`; ephemeral lines show while the operation runs and are not kept."""
        if self._call is None:
            self._call = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(self._address)).Log
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=ephemeral)
        try:
            await self._call(request, timeout=SECONDS_PER_LINE)
        except grpc.aio.AioRpcError:
            return
