"""`Construct`: the arguments checked as a stack file is, then the cluster with every component below it.

The SDK's `component_provider_host` would leave out unknown arguments without a word and know no secret among them, so
this is made on the provider interface below it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import ConstructResult, Provider

from components.maas_cluster import TYPE, MaasCluster
from components.outputs import Outputs
from config import database_password, rules
from config.cluster_args import WHOSE, parse
from config.finding import Finding, StackFileError
from config.load import Stack
from provider.schema import PASSWORD_INPUT, build

PLACE = database_password.Place(PASSWORD_INPUT, "give it as a secret")

Given = Mapping[str, pulumi.Input[object]]


class ClusterProvider(Provider):
    """Makes `maas-ha:index:MaasCluster`."""

    def __init__(self, version: str) -> None:
        super().__init__(version, build(version))

    def construct(
        self, name: str, resource_type: str, inputs: Given, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Start to make a cluster. What comes back fails with an `InputPropertiesError` that names every problem."""
        if resource_type != TYPE:
            raise pulumi.RunError(f"{resource_type} is not of this package, which has {TYPE}")
        # The SDK asks for a result at once, and whether an argument is known or secret can only be awaited.
        cluster = asyncio.ensure_future(_cluster(name, inputs, options))
        outputs = {output: _Later(cluster, output) for output in Outputs.names()}
        return ConstructResult(asyncio.ensure_future(_urn(cluster)), outputs)


@dataclass(frozen=True)
class _Later:
    """An output of a cluster that is being made; nothing waits for it before the SDK does."""

    cluster: asyncio.Future[MaasCluster]
    name: str

    def __await__(self) -> Generator[object, None, pulumi.Output[object]]:
        cluster = yield from self.cluster.__await__()
        return cluster.outputs[self.name]


async def _urn(cluster: asyncio.Future[MaasCluster]) -> str:
    return await (await cluster).urn.future() or ""


async def _cluster(name: str, inputs: Given, options: pulumi.ResourceOptions | None) -> MaasCluster:
    try:
        stack = await _stack(inputs)
    except StackFileError as error:
        # As a message: the engine would print the values of properties that it is told of one by one.
        raise InputPropertiesError(str(error), []) from None
    cluster = MaasCluster(name, inputs, stack, options)
    if stack is None:
        pulumi.log.warn("some arguments are only known in an update; what is below it is not previewed", cluster)
        return cluster
    for advice in rules.advice(stack.cluster.topology):
        pulumi.log.warn(str(advice), cluster)
    return cluster


async def _stack(inputs: Given) -> Stack | None:
    """The checked arguments; None where some aren't known yet. Raises `StackFileError`."""
    topology = {key: pulumi.Output.from_input(value) for key, value in inputs.items() if key != PASSWORD_INPUT}
    found = [
        Finding(key, "is a secret, which previews and the state would show", "give it in the clear")
        for key, value in topology.items()
        if await value.is_secret()
    ]
    password = pulumi.Output.from_input(inputs.get(PASSWORD_INPUT))
    whole = pulumi.Output.all(**topology)
    if not await whole.is_known():
        if found:
            raise StackFileError(found, WHOSE)
        return None
    raw = _with_integers(await whole.future())
    cluster = parse(raw, found + await _password(password, wanted=database_password.is_wanted(raw)))
    return Stack(cluster, pulumi.Output.secret(password.apply(lambda value: str(value or ""))))


async def _password(password: pulumi.Output[object], *, wanted: bool) -> list[Finding]:
    """What is wrong with the password; nothing is said of one that an update will only make."""
    if not await password.is_known():
        return []
    value = await password.future()
    if wanted:
        return database_password.of_value(str(value or ""), secret=await password.is_secret(), place=PLACE)
    return [Finding(PASSWORD_INPUT, "is for an external database alone", "take it out")] if value else []


def _with_integers(value: object) -> object:
    """The wire knows no integers: 4 arrives as 4.0."""
    if isinstance(value, dict):
        return {key: _with_integers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_integers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
