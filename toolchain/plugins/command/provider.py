"""The provider behind the command plugin."""

from __future__ import annotations

import asyncio
import functools
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from google.protobuf import empty_pb2

from toolchain.plugins.command.connection import connection
from toolchain.plugins.command.differences import Change, changes, differs
from toolchain.plugins.command.inputs import check
from toolchain.plugins.command.output import Output
from toolchain.plugins.engine import ERROR, INFO, WARNING, EngineLog
from toolchain.plugins.protocol import DEADLINE_EXCEEDED, UNIMPLEMENTED, PluginError, Provider, rpc
from toolchain.plugins.stubs import provider_pb2
from toolchain.plugins.values import (
    UNKNOWN,
    Properties,
    Secret,
    Value,
    decode,
    encode,
    has_unknown,
    plain,
    text_or_bytes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VERSION = "1.2.1"
OUTPUTS = ("stdout", "stderr")
OFFICIAL_LIBRARY = {"__pulumi-go-provider-version": "v1.5.0"}
PREVIOUS = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}


class CommandProvider(Provider):
    """command:remote:Command: one SSH connection for each call, closed at its end."""

    def __init__(self, engine: EngineLog) -> None:
        super().__init__("command", VERSION, ["command:remote:Command"], engine)
        self._accepts_bytes = False

    @rpc
    async def Handshake(  # noqa: N802 - this and the others below are RPC names
        self, request: provider_pb2.ProviderHandshakeRequest
    ) -> provider_pb2.ProviderHandshakeResponse:
        self.engine.use(request.engine_address)
        self._accepts_bytes = request.accepts_byte_string
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True, accepts_byte_string=True
        )

    @rpc
    async def CheckConfig(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=encode({**decode(request.news), **OFFICIAL_LIBRARY}))

    @rpc
    async def DiffConfig(self, _request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:  # noqa: N802
        raise PluginError("DiffConfig is not implemented", UNIMPLEMENTED)

    @rpc
    async def Configure(self, _request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:  # noqa: N802
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    @rpc
    async def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:  # noqa: N802
        self.resource_type(request.urn, request.type)
        inputs, failures = check(decode(request.news))
        found = [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures]
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=found)

    @rpc
    async def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:  # noqa: N802
        self.resource_type(request.urn, request.type)
        found = changes(decode(request.old_inputs), decode(request.news))
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        response = provider_pb2.DiffResponse(changes=some if found else none, hasDetailedDiff=True)
        for path, change in found.items():
            # only `triggers` as a whole replaces; for its elements the SDK asks with replaceOnChanges
            replaces = path == "triggers" and change is not Change.UPDATE
            kind = f"{change.value}_REPLACE" if replaces else change.value
            response.detailedDiff[path].kind = provider_pb2.PropertyDiff.Kind.Value(kind)
            if replaces:
                response.replaces.append(path)
        response.diffs.extend(dict.fromkeys(path.partition(".")[0].partition("[")[0] for path in found))
        return response

    @rpc
    async def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:  # noqa: N802
        self.resource_type(request.urn, request.type)
        inputs = decode(request.properties)
        outputs: Properties = {"stdout": UNKNOWN, "stderr": UNKNOWN}
        if not request.preview:
            outputs = {"stdout": "", "stderr": ""}
            if "create" in inputs:
                async with _within(request.timeout):
                    outputs = await self._run(request.urn, "create", inputs, {})
        id_ = (request.name or request.urn.rpartition("::")[2]) + secrets.token_hex(4)
        return provider_pb2.CreateResponse(id=id_, properties=encode({**inputs, **outputs}))

    @rpc
    async def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:  # noqa: N802
        """Every update runs a command, whatever changed (plugin-contract FACTS 2)."""
        self.resource_type(request.urn, request.type)
        olds, news = decode(request.olds), decode(request.news)
        old_inputs = decode(request.old_inputs) or olds
        outputs: Properties = {name: olds.get(name, "") for name in OUTPUTS}
        key = next((name for name in ("update", "create") if name in news), "")
        if request.preview:
            if any(differs(old_inputs.get(name), news.get(name)) for name in ("create", "update", "connection")):
                outputs = {"stdout": UNKNOWN, "stderr": UNKNOWN}
        elif key:
            previous = {} if news.get("addPreviousOutputInEnv") is False else _previous(olds)
            async with _within(request.timeout):
                outputs = await self._run(request.urn, key, news, previous)
        return provider_pb2.UpdateResponse(properties=encode({**news, **outputs}))

    @rpc
    async def Delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:  # noqa: N802
        self.resource_type(request.urn, request.type)
        state = decode(request.properties)
        if "delete" in state:
            previous = {} if state.get("addPreviousOutputInEnv") is False else _previous(state)
            async with _within(request.timeout):
                await self._run(request.urn, "delete", state, previous)
        return empty_pb2.Empty()

    @rpc
    async def Read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:  # noqa: N802
        self.resource_type(request.urn, request.type)
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def _run(self, urn: str, key: str, inputs: Properties, previous: dict[str, bytes]) -> Properties:
        """Run the command in the input `key`; its outputs. Raises PluginError."""
        from toolchain.plugins.command import dial, execute  # late: asyncssh takes a while to load

        text, secret_text = _text(inputs, key), isinstance(inputs[key], Secret)
        environment = {name: value for name, value in _environment(inputs).items() if name not in previous}
        stdin = _text(inputs, "stdin").encode()
        command = execute.Command(text, "[secret]" if secret_text else text, stdin, environment, previous)
        log = functools.partial(self.engine.line, INFO, urn=urn, ephemeral=True)
        refused = execute.Warnings(
            functools.partial(self.engine.line, ERROR, urn=urn), functools.partial(self.engine.line, WARNING, urn=urn)
        )
        output = Output(_text(inputs, "logging"), log)
        try:
            async with dial.connected(connection(inputs.get("connection")), log) as opened:
                await execute.execute(opened, command, output, refused)
        finally:
            output.stop()
        return {
            "stdout": self._sendable("stdout", output.stream(is_stderr=False)),
            "stderr": self._sendable("stderr", output.stream(is_stderr=True)),
        }

    def _sendable(self, name: str, data: bytes) -> Value:
        value = text_or_bytes(data)
        if isinstance(value, bytes) and not self._accepts_bytes:
            raise PluginError(
                f'the value of property "{name}" is a string that contains non-UTF8 bytes, '
                "which the receiver does not support"
            )
        return value


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Bound the block by the resource's custom timeout; 0 is none."""
    try:
        async with asyncio.timeout(seconds or None):
            yield
    except TimeoutError:
        raise PluginError(f"not done within its custom timeout of {seconds:g} s", DEADLINE_EXCEEDED) from None


def _text(inputs: Properties, name: str) -> str:
    """A text input; absent is "". Raises PluginError for one that is not known yet."""
    match plain(inputs.get(name)):
        case None:
            return ""
        case str(text):
            return text
        case value:
            raise PluginError(f"the input {name!r} is {'not known yet' if has_unknown(value) else 'no string'}")


def _environment(inputs: Properties) -> dict[str, bytes]:
    variables = plain(inputs.get("environment"))
    return {name: _text(variables, name).encode() for name in variables} if isinstance(variables, dict) else {}


def _previous(state: Properties) -> dict[str, bytes]:
    """The variables that hold the outputs of the command before, where these are not empty."""
    found = {}
    for name, variable in PREVIOUS.items():
        value = plain(state.get(name))
        if isinstance(value, str | bytes) and value:
            found[variable] = value.encode() if isinstance(value, str) else value
    return found
