"""The provider behind the random and the tls plugin: both official ones are bridged Terraform providers and act alike.

They take plain inputs (the engine strips secrets from what it sends them) yet mark secrets in their answers, have no
Handshake, and their Diff has no details (plugin-contract FACTS 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from google.protobuf import empty_pb2

from toolchain.plugins import schema
from toolchain.plugins.engine import ERROR
from toolchain.plugins.protocol import UNIMPLEMENTED, PluginError, Provider, rpc
from toolchain.plugins.stubs import provider_pb2
from toolchain.plugins.values import UNKNOWN, Properties, decode, encode, has_unknown, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf import struct_pb2

    from toolchain.plugins.engine import EngineLog

CONFIGURATION_KEYS = frozenset({"version", "pluginDownloadURL"})


class DiagnosticError(PluginError):
    """A failure in the form of the bridge, which also logs it."""

    def __init__(self, summary: str, detail: str) -> None:
        super().__init__(f"{summary}: {detail}")
        self.log_line = f"[ERROR] {detail}: {summary}"


class ResourceType(Protocol):
    """One resource type; all properties are plain, the provider marks the `secrets`.

    `computed` are the outputs that are unknown in a preview; `rebuilt` are those that Diff lists when an input changes.
    """

    fields: tuple[schema.Field, ...]
    computed: tuple[str, ...]
    secrets: tuple[str, ...]
    rebuilt: tuple[str, ...]

    def check(self, resource: str, news: Properties) -> list[str]:
        """What is wrong with the inputs, beyond what `fields` says."""

    def plan(self, news: Properties) -> Properties:
        """The inputs and those outputs that are known before anything is made."""

    def due(self, olds: Properties, plan: Properties) -> list[str]:
        """Outputs that call for a replacement although no input changed."""

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        """Make the resource; its id and its state."""

    def update(self, olds: Properties, plan: Properties) -> Properties:
        """The state after a change in place."""

    def refreshed(self, olds: Properties) -> Properties:
        """The state as of now."""

    async def imported(self, id_: str) -> tuple[str, Properties, Properties]:
        """The id, state and inputs of a resource that is known by its id alone."""


class BridgedProvider(Provider):
    """Serves `types` by their tokens."""

    def __init__(self, name: str, version: str, types: Mapping[str, ResourceType], engine: EngineLog) -> None:
        super().__init__(name, version, types, engine)
        self._types = types

    @rpc
    async def Handshake(  # noqa: N802 - this and the others below are RPC names
        self, _request: provider_pb2.ProviderHandshakeRequest
    ) -> provider_pb2.ProviderHandshakeResponse:
        raise PluginError("Handshake is not yet implemented", UNIMPLEMENTED)

    @rpc
    async def CheckConfig(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:  # noqa: N802
        response = provider_pb2.CheckResponse(inputs=request.news)
        for key in sorted(set(request.news.fields) - CONFIGURATION_KEYS):
            response.failures.add(reason=f"the {self.name} plugin has no configuration key {key!r}")
        return response

    @rpc
    async def DiffConfig(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:  # noqa: N802
        response = provider_pb2.DiffResponse()
        if decode(request.old_inputs).get("version") != decode(request.news).get("version"):
            response.hasDetailedDiff = True
            response.detailedDiff["version"].kind = provider_pb2.PropertyDiff.UPDATE
            response.detailedDiff["version"].inputDiff = True
        return response

    @rpc
    async def Configure(self, _request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:  # noqa: N802
        return provider_pb2.ConfigureResponse(
            supportsPreview=True, acceptResources=True, supports_autonaming_configuration=True
        )

    @rpc
    async def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:  # noqa: N802
        type_ = self._type(request.urn, request.type)
        news = _plain(decode(request.news))
        resource = request.name or request.urn.rpartition("::")[2]
        reasons = schema.failures(type_.fields, resource, news) or type_.check(resource, news)
        inputs = schema.with_secrets((field.name for field in type_.fields if field.secret), news)
        found = [provider_pb2.CheckFailure(reason=reason) for reason in reasons]
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=found)

    @rpc
    async def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:  # noqa: N802
        type_ = self._type(request.urn, request.type)
        olds, plan = _plain(decode(request.olds)), type_.plan(_plain(decode(request.news)))
        names = [f.name for f in type_.fields if f.name not in request.ignoreChanges]
        changed = [n for n in names if has_unknown(plan.get(n)) or plan.get(n) != olds.get(n)]
        due = type_.due(olds, plan)
        replaces = [f.name for f in type_.fields if f.name in changed and f.replaces] + due
        if not changed and not due:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        diffs = changed + due + (list(type_.rebuilt) if replaces else [])
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_SOME, diffs=diffs, replaces=replaces)

    @rpc
    async def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:  # noqa: N802
        type_ = self._type(request.urn, request.type)
        news = _plain(decode(request.properties))
        schema.refuse_unknown_inputs(type_.fields, self.resource_type(request.urn, request.type), news)
        plan = type_.plan(news)
        if request.preview:
            preview = {**plan, **dict.fromkeys(type_.computed, UNKNOWN)}
            return provider_pb2.CreateResponse(properties=_encoded(type_, preview))
        if unknown := sorted(name for name, value in plan.items() if has_unknown(value)):
            raise PluginError(f"cannot create {request.urn}: {', '.join(unknown)} is not known yet")
        try:
            id_, state = await type_.create(plan)
        except DiagnosticError as error:
            await self.engine.line(ERROR, error.log_line, request.urn)
            raise
        return provider_pb2.CreateResponse(id=id_, properties=_encoded(type_, state))

    @rpc
    async def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:  # noqa: N802
        type_ = self._type(request.urn, request.type)
        state = type_.update(_plain(decode(request.olds)), type_.plan(_plain(decode(request.news))))
        return provider_pb2.UpdateResponse(properties=_encoded(type_, state))

    @rpc
    async def Read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:  # noqa: N802
        type_ = self._type(request.urn, request.type)
        olds, inputs = _plain(decode(request.properties)), _plain(decode(request.inputs))
        id_ = request.id
        if olds:
            state = type_.refreshed(olds)
        else:
            id_, state, inputs = await type_.imported(request.id)
        secret_inputs = schema.with_secrets((field.name for field in type_.fields if field.secret), inputs)
        return provider_pb2.ReadResponse(id=id_, properties=_encoded(type_, state), inputs=encode(secret_inputs))

    @rpc
    async def Delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:  # noqa: N802
        self._type(request.urn, request.type)
        return empty_pb2.Empty()

    def _type(self, urn: str, type_: str) -> ResourceType:
        return self._types[self.resource_type(urn, type_)]


def _plain(properties: Properties) -> Properties:
    return {key: plain(value) for key, value in properties.items()}


def _encoded(type_: ResourceType, properties: Properties) -> struct_pb2.Struct:
    return encode(schema.with_secrets(type_.secrets, properties))
