"""A plugin process with an engine's log service before it, and an sshd of its own on 127.0.0.1."""

from __future__ import annotations

import concurrent.futures
import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio ships no types
import pytest
from google.protobuf import empty_pb2

from toolchain.plugins.stubs import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc
from toolchain.plugins.values import Properties, Value, decode, encode

REPOSITORY = Path(__file__).parents[2]
DEADLINE = 60.0
COMMAND = "command:remote:Command"


def needed(program: str, package: str) -> str:
    """The path of a program; the test fails if it is not installed."""
    found = shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.fail(f"{program} is missing: install the Debian package {package}", pytrace=False)
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; the test fails if it does not in a minute."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {DEADLINE:g} s: {what}")
        time.sleep(0.02)


class Engine(engine_pb2_grpc.EngineServicer):
    """Keeps what a plugin logs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        engine_pb2_grpc.add_EngineServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Log(self, request: engine_pb2.LogRequest, context: object) -> empty_pb2.Empty:  # noqa: N802 - RPC name
        self.lines.append(request.message)
        return empty_pb2.Empty()

    def stop(self) -> None:
        self._server.stop(None)


@dataclass
class CallError(Exception):
    """A call that the plugin answered with an error."""

    code: str
    text: str


class Plugin:
    """A plugin process, called as the engine calls it."""

    def __init__(self, name: str) -> None:
        self.engine = Engine()
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"toolchain.plugins.{name}", self.engine.address],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        assert self.process.stdout
        port = int(self.process.stdout.readline())
        options = [("grpc.max_receive_message_length", -1), ("grpc.absolute_max_metadata_size", 8 * 1024 * 1024)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def close(self) -> None:
        self._channel.close()
        self.process.terminate()
        self.process.wait()
        self.engine.stop()

    def handshake(self) -> None:
        """Say what the engine says first."""
        self.stub.Handshake(
            provider_pb2.ProviderHandshakeRequest(engine_address=self.engine.address, accepts_byte_string=True)
        )

    def check(self, type_: str, news: Properties) -> tuple[Properties, list[str]]:
        """The checked inputs and the reasons of the failures."""
        request = provider_pb2.CheckRequest(urn=urn(type_), name="r", type=type_, news=encode(news))
        with failing():
            answer = self.stub.Check(request, timeout=DEADLINE)
        return decode(answer.inputs), [failure.reason for failure in answer.failures]

    def diff(self, type_: str, olds: Properties, news: Properties) -> tuple[list[str], list[str]]:
        """The names in `diffs` and in `replaces`; the state is also given as the old inputs."""
        request = provider_pb2.DiffRequest(
            urn=urn(type_), type=type_, olds=encode(olds), old_inputs=encode(olds), news=encode(news)
        )
        with failing():
            answer = self.stub.Diff(request, timeout=DEADLINE)
        return sorted(answer.diffs), sorted(answer.replaces)

    def create(
        self,
        type_: str,
        inputs: Properties,
        *,
        preview: bool = False,
        custom_timeout: float = 0,
        deadline: float = DEADLINE,
    ) -> Properties:
        """The state of a created resource."""
        request = provider_pb2.CreateRequest(
            urn=urn(type_), name="r", type=type_, properties=encode(inputs), preview=preview, timeout=custom_timeout
        )
        with failing():
            answer = self.stub.Create(request, timeout=deadline)
        return decode(answer.properties)

    def cancel(self) -> None:
        """Ask the plugin to stop what it does."""
        self.stub.Cancel(empty_pb2.Empty(), timeout=DEADLINE)


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Turn a gRPC error into `CallError`."""
    try:
        yield
    except grpc.RpcError as error:
        raise CallError(error.code().name, error.details()) from None


@contextlib.contextmanager
def running(name: str) -> Iterator[Plugin]:
    """A plugin process for the time of a block."""
    plugin = Plugin(name)
    try:
        yield plugin
    finally:
        plugin.close()


def urn(type_: str) -> str:
    """The URN of a resource "r" of this type."""
    return f"urn:pulumi:s::p::{type_}::r"


@dataclass(frozen=True)
class SshServer:
    """An sshd that lets a key in."""

    port: int
    private_key: str
    host_key: str
    process_id: int

    def connection(self, **changed: Value) -> Properties:
        """The input `connection` for this server."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "root",
            "privateKey": self.private_key,
            "hostKey": self.host_key,
            "dialErrorLimit": 3,
            "perDialTimeout": 30,
            **changed,
        }

    def connections(self) -> int:
        """How many connections it serves now."""
        children = Path(f"/proc/{self.process_id}/task/{self.process_id}/children").read_text()
        return len(children.split())


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """An sshd of its own with fresh keys, for the time of a block."""
    sshd = needed("sshd", "openssh-server")
    keygen = needed("ssh-keygen", "openssh-client")
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nStrictModes no\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "MaxStartups 100\nAcceptEnv *\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([sshd, "-D", "-f", str(config), "-E", str(folder / "sshd.log")])

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_until(listens, "sshd listens")
        host_key = " ".join((folder / "host.pub").read_text().split()[:2])
        yield SshServer(port, (folder / "user").read_text(), host_key, process.pid)
    finally:
        process.terminate()
        process.wait()
