"""The state in a folder and in an S3-compatible store: the same program, and no secret in the clear."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.program import link_program, pulumi
from tests.stacks import cluster_of
from toolchain.environment import environment

SECRET = "a-password-that-stays-encrypted"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a bucket on a real S3 server on this machine."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "Running on" in line:
                break
        else:
            pytest.fail("the S3 server ended")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/state", method="PUT")
        urllib.request.urlopen(request).close()  # noqa: S310
        yield f"s3://state?endpoint=http://127.0.0.1:{port}&s3ForcePathStyle=true"
    finally:
        server.terminate()
        server.wait(60)


def project(folder: Path) -> Path:
    """A copy of the program with the dev stack, in `folder`."""
    link_program(folder)
    (folder / "Pulumi.dev.yaml").write_text(
        json.dumps({"config": {"maas-ha:cluster": cluster_of("dev", folder / "known_hosts")}}), encoding="utf-8"
    )
    return folder


def surroundings(backend: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "us-east-1"}
    own = {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(8)}
    return {**os.environ, **environment(), **keys, **own}


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_stack_lives_in_a_backend(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = project(tmp_path)
    backend = f"file://{tmp_path}" if kind == "file" else str(request.getfixturevalue("s3"))
    given = surroundings(backend)
    pulumi(folder, given, "stack", "init", "dev")
    pulumi(folder, given, "config", "set", "--secret", "databasePassword", SECRET, "--stack", "dev")
    assert SECRET not in (folder / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert "39 to create" in pulumi(folder, given, "preview", "--stack", "dev")
    assert json.loads(pulumi(folder, given, "stack", "ls", "--json"))[0]["name"].endswith("dev")
    exported = pulumi(folder, given, "stack", "export", "--stack", "dev")
    assert json.loads(exported)["version"] == 3
