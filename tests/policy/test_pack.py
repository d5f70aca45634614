"""The policy pack as the engine drives it: its analyzer service, asked about what the program registers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import grpc  # type: ignore[import-untyped]  # grpcio ships no types
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from policy.predicates import COMMAND, PREDICATES
from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.stacks import cluster_of

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120

Inputs = dict[str, object]


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack's service, started from the pack's folder as the engine starts it."""
    pack = subprocess.Popen(
        [sys.executable, "-u", "__main__.py"], cwd=PROJECT / "policy", stdout=subprocess.PIPE, text=True
    )
    try:
        assert pack.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(pack.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        pack.terminate()
        pack.wait(START_SECONDS)


@pytest.fixture
def program(tmp_path: Path) -> dict[str, Recorded]:
    return recorder.run(cluster_of("dev", tmp_path / "known_hosts"), preview=False)


def ask(
    analyzer: analyzer_pb2_grpc.AnalyzerStub, resource: Recorded, change: Callable[[Inputs], None] = lambda _: None
) -> set[tuple[str, str]]:
    """Policy and first words of each complaint about `resource`, its inputs changed by `change`."""
    inputs = cast("Inputs", recorder.plain(resource.inputs))
    change(inputs)
    limits = resource.request.customTimeouts
    request = analyzer_pb2.AnalyzeRequest(
        type=resource.type,
        name=resource.name,
        urn=f"urn:pulumi:dev::maas-ha::{resource.type}::{resource.name}",
        properties=json_format.ParseDict(inputs, struct_pb2.Struct()),
        options=analyzer_pb2.AnalyzerResourceOptions(
            customTimeouts=analyzer_pb2.AnalyzerResourceOptions.CustomTimeouts(
                create=_seconds(limits.create), update=_seconds(limits.update), delete=_seconds(limits.delete)
            )
        ),
    )
    answer = analyzer.Analyze(request)
    return {(diagnostic.policyName, diagnostic.message) for diagnostic in answer.diagnostics}


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s") or 0)


def command(program: dict[str, Recorded]) -> Recorded:
    return program["region1-region-apply"]


def test_the_pack_says_what_it_asks(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "maas-ha"
    assert [policy.name for policy in info.policies] == list(PREDICATES)
    assert {policy.enforcementLevel for policy in info.policies} == {analyzer_pb2.EnforcementLevel.Value("MANDATORY")}


def test_the_program_keeps_to_every_policy(
    analyzer: analyzer_pb2_grpc.AnalyzerStub, program: dict[str, Recorded]
) -> None:
    asked = {name: ask(analyzer, resource) for name, resource in program.items()}
    assert sum(resource.type == COMMAND for resource in program.values()) > len(asked) / 4
    assert {name: complaints for name, complaints in asked.items() if complaints} == {}


def password_in_argv(inputs: Inputs) -> None:
    inputs["create"] = f"{inputs['create']} --password {recorder.PASSWORD}"


def key_in_environment(inputs: Inputs) -> None:
    inputs["environment"] = {"API_KEY": recorder.API_KEY}


def no_host_key(inputs: Inputs) -> None:
    del cast("Inputs", inputs["connection"])["hostKey"]


def jump_host_without_key(inputs: Inputs) -> None:
    cast("Inputs", inputs["connection"])["proxy"] = {"host": "198.51.100.9"}


def no_limit(inputs: Inputs) -> None:
    inputs["delete"] = "exec sudo -n maas-ha-agent remove"


def dials_for_ever(inputs: Inputs) -> None:
    cast("Inputs", inputs["connection"])["dialErrorLimit"] = -1


def loud(inputs: Inputs) -> None:
    inputs["logging"] = "stdoutAndStderr"


@pytest.mark.parametrize(
    ("change", "policies"),
    [
        (password_in_argv, {"command-line-is-clean", "standard-input-stays-there"}),
        (key_in_environment, {"command-line-is-clean"}),
        (no_host_key, {"host-key-is-pinned"}),
        (jump_host_without_key, {"host-key-is-pinned"}),
        (no_limit, {"time-is-bounded"}),
        (dials_for_ever, {"time-is-bounded"}),
        (loud, {"output-is-quiet"}),
    ],
)
def test_a_policy_stops_what_it_is_for(
    analyzer: analyzer_pb2_grpc.AnalyzerStub,
    program: dict[str, Recorded],
    change: Callable[[Inputs], None],
    policies: set[str],
) -> None:
    complaints = ask(analyzer, command(program), change)
    assert {policy for policy, _ in complaints} == policies
    assert not [text for _, text in complaints if recorder.PASSWORD in text or recorder.API_KEY in text]


def test_what_a_preview_does_not_know_yet_stops_nothing(
    analyzer: analyzer_pb2_grpc.AnalyzerStub, program: dict[str, Recorded]
) -> None:
    def unknown(inputs: Inputs) -> None:
        inputs["stdin"] = UNKNOWN

    (notice,) = ask(analyzer, command(program), unknown)
    assert notice[0] == "standard-input-stays-there"
    assert "during preview" in notice[1]
