"""Runs the program under a recording monitor whose secrets stay secret and whose previews know nothing in advance."""

from __future__ import annotations

import asyncio
import gc
import json
import runpy
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, cast

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc, run_in_stack, set_all_config
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import ROOT

from policy.predicates import COMMAND

PROJECT = Path(__file__).parents[2]
SECRET_KEY, SECRET_VALUE = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"

PASSWORD, PRIVATE_KEY = "PassWordFromRandom0123456789abcd", "-----BEGIN PRIVATE KEY-----\nprivate\n"
SHARED_SECRET, API_KEY = "0123456789abcdef0123456789abcdef", "consumer:token:secret"

COMPUTED: dict[str, dict[str, tuple[str, bool]]] = {
    "random:index/randomPassword:RandomPassword": {"result": (PASSWORD, True)},
    "tls:index/privateKey:PrivateKey": {
        "privateKeyPem": (PRIVATE_KEY, True),
        "privateKeyPemPkcs8": (PRIVATE_KEY, True),
    },
    "tls:index/selfSignedCert:SelfSignedCert": {"certPem": ("-----BEGIN CERTIFICATE-----\nca\n", False)},
    "tls:index/certRequest:CertRequest": {"certRequestPem": ("-----BEGIN CERTIFICATE REQUEST-----\n", False)},
    "tls:index/locallySignedCert:LocallySignedCert": {"certPem": ("-----BEGIN CERTIFICATE-----\nserver\n", False)},
    COMMAND: {
        "stdout": (
            json.dumps(
                {
                    "system_id": "abc123",
                    "findings": "",
                    "shared_secret": SHARED_SECRET,
                    "api_key": API_KEY,
                    "vlan": "5001",
                }
            ),
            True,
        )
    },
}
"""What each resource type computes: output → value, and whether it is secret."""


class FaithfulMocks(pulumi_mocks.Mocks):
    """Resources as the official plugins answer: computed outputs unknown in a preview, secrets marked."""

    def __init__(self, *, preview: bool) -> None:
        self._preview = preview

    def call(self, args: pulumi_mocks.MockCallArgs) -> NoReturn:
        raise AssertionError(f"the program calls no function, but did: {args.token}")

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        outputs = dict(args.inputs)
        for name, (value, secret) in COMPUTED.get(args.typ, {}).items():
            known = rpc.UNKNOWN if self._preview else value
            outputs[name] = pulumi.Output.secret(known) if secret and not self._preview else known
        return ("" if self._preview else f"{args.name}-id"), outputs


class _Monitor(pulumi_mocks.MockMonitor):
    def __init__(self, mocks: FaithfulMocks) -> None:
        super().__init__(mocks)
        self.requests: list[resource_pb2.RegisterResourceRequest] = []

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> object:  # noqa: N802  the wire's name
        self.requests.append(request)
        register = cast("Callable[[resource_pb2.RegisterResourceRequest], object]", super().RegisterResource)
        return register(request)


@dataclass(frozen=True)
class Recorded:
    """One resource that the program registered."""

    request: resource_pb2.RegisterResourceRequest
    inputs: dict[str, object] = field(compare=False)

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def type(self) -> str:
        return self.request.type

    def dependencies(self) -> set[str]:
        """Names of the resources that must be there before this one."""
        return {urn.rsplit("::", 1)[1] for urn in self.request.dependencies}


def is_secret(value: object) -> bool:
    return isinstance(value, dict) and value.get(SECRET_KEY) == SECRET_VALUE


def plain(value: object) -> object:
    """`value` without its secret wrappers."""
    if isinstance(value, dict):
        return plain(value.get("value")) if is_secret(value) else {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _program() -> None:
    runpy.run_path(str(PROJECT / "__main__.py"))


def run(
    cluster: dict[str, object], *, preview: bool, stack: str = "dev", secret_config: dict[str, str] | None = None
) -> dict[str, Recorded]:
    """Run `__main__.py` for a stack file's content and secret configuration; name → what it registered."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    mocks = FaithfulMocks(preview=preview)
    monitor = _Monitor(mocks)
    pulumi_mocks.set_mocks(mocks, project="maas-ha", stack=stack, preview=preview, monitor=monitor)
    secrets = {f"maas-ha:{key}": value for key, value in (secret_config or {}).items()}
    set_all_config({"maas-ha:cluster": json.dumps(cluster), **secrets}, list(secrets))

    ROOT.set(None)  # the mocks' own stack, where the program's takes its place

    ours = signal.getsignal(signal.SIGINT)
    try:
        loop.run_until_complete(run_in_stack(_program))
    finally:
        loop.close()
        signal.signal(signal.SIGINT, ours)
        gc.unfreeze()  # the program looks for no garbage, and ends; this process goes on
        gc.enable()
    recorded = [Recorded(request, json_format.MessageToDict(request.object)) for request in monitor.requests]
    return {item.name: item for item in recorded if not item.type.startswith("pulumi:pulumi:")}
