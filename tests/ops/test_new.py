"""`maas-ha new`: a stack file that can work, and the keys that its hosts really show."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import asyncssh
import pytest
import yaml
from typer.testing import CliRunner

from config import stack_file
from ops import new
from ops.cli import app
from ops.new import HostKey, NamedHost
from tests.contract import recorder
from tests.program import link_program, pulumi
from toolchain.environment import environment

OPTIONS = (
    *("--maas", "3.4", "--email", "ops@example.com", "--user", "deploy", "--database", "db1=198.51.100.11"),
    *("--postgres", "15", "--region", "region1=198.51.100.21", "--region", "region2=198.51.100.22"),
    *("--rack", "rack1=198.51.100.31", "--rack", "rack2=198.51.100.32", "--balancer", "lb1=198.51.100.41"),
    *("--dhcp", "198.51.100.0/24,198.51.100.100-198.51.100.199"),
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZ4b2Vd0s0n3nXv0m4CkqkYJrW0nHq1p1v9o2m3C4dE"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host shows the same key."""

    async def scan(hosts: tuple[NamedHost, ...]) -> list[HostKey]:
        return [HostKey(host, KEY, "SHA256:x") for host in hosts]

    monkeypatch.setattr(new, "scan", scan)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["new", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.usefixtures("shown")
def test_what_it_writes_can_work(folder: Path) -> None:
    code, output = run("production", *OPTIONS, "--accept-host-keys")
    assert code == 0, output
    assert "region2          198.51.100.22        ssh-ed25519 SHA256:x" in output
    cluster = stack_file.read("production", folder)
    assert list(cluster.topology.regions) == ["region1", "region2"]
    assert set(cluster.host_keys.values()) == {KEY}
    text = (folder / "Pulumi.production.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=config/topology.schema.json\n")
    content = yaml.safe_load(text)["config"]["maas-ha:cluster"]
    content["ssh"]["known_hosts"] = str(folder / content["ssh"]["known_hosts"])
    assert "region2-region-apply" in recorder.run(content, preview=True)


@pytest.mark.usefixtures("shown")
def test_the_engine_previews_what_it_writes(folder: Path) -> None:
    assert run("production", *OPTIONS, "--accept-host-keys")[0] == 0
    link_program(folder)
    own = {"PULUMI_BACKEND_URL": f"file://{folder}", "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(8)}
    surroundings = {**os.environ, **environment(), **own}
    pulumi(folder, surroundings, "stack", "init", "production")
    assert "39 to create" in pulumi(folder, surroundings, "preview", "--stack", "production")


@pytest.mark.usefixtures("shown")
def test_nothing_is_written_where_it_could_not_work(folder: Path) -> None:
    code, output = run(
        "production", *OPTIONS, "--rack", "db1=198.51.100.11", "--rack", "bad_name=x", "--accept-host-keys"
    )
    assert code == 1
    assert "bad_name" in output
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("shown")
def test_an_existing_stack_file_stays(folder: Path) -> None:
    (folder / "Pulumi.production.yaml").write_text("mine\n", encoding="utf-8")
    code, output = run("production", *OPTIONS, "--accept-host-keys")
    assert code == 1
    assert "Pulumi.production.yaml exists" in output
    assert (folder / "Pulumi.production.yaml").read_text(encoding="utf-8") == "mine\n"
    assert not (folder / "known_hosts.production").exists()


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--rack", "db1=198.51.100.12"), "'db1' is there twice"),
        (("--email", "@ops"), "maas.admin.email"),
        (("--user", "*"), "ssh.user"),
        (("--rack", "[=198.51.100.39"), "is no YAML"),
    ],
)
def test_no_answer_ends_in_a_traceback_or_a_file_that_is_refused(
    folder: Path, more: tuple[str, str], said: str
) -> None:
    code, output = run("lyon", *OPTIONS, *more, "--accept-host-keys")
    assert code == 1
    assert said in output
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("shown")
def test_a_file_that_cannot_be_written(folder: Path) -> None:
    (folder / "known_hosts.lyon").mkdir()
    code, output = run("lyon", *OPTIONS, "--accept-host-keys")
    assert code == 1
    assert "Pulumi.lyon.yaml and known_hosts.lyon: Is a directory; nothing was written" in output
    assert not (folder / "Pulumi.lyon.yaml").exists()


@pytest.mark.usefixtures("folder")
def test_all_missing_options_are_named_where_nobody_can_be_asked() -> None:
    code, output = run("production", "--maas", "3.4")
    assert code == 1
    assert "--email, --user, --database, --region, --rack, --balancer" in output


@pytest.mark.usefixtures("folder", "shown")
def test_fingerprints_are_not_believed_unasked() -> None:
    code, output = run("production", *OPTIONS)
    assert code == 1
    assert "run again with --accept-host-keys" in output


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--database", "db1", "'db1' is not NAME=ADDRESS"),
        ("--dhcp", "198.51.100.0/24", "is not SUBNET,FIRST-LAST"),
    ],
)
def test_a_malformed_answer_is_explained(option: str, value: str, said: str) -> None:
    code, output = run("production", *OPTIONS, option, value)
    assert code == 1
    assert said in output


def test_the_key_is_the_one_that_the_host_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    asked = asyncssh.get_server_host_key

    async def scan() -> list[HostKey]:
        async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[key]) as server:
            port = server.get_port()
            monkeypatch.setattr(asyncssh, "get_server_host_key", lambda host, **rest: asked(host, port, **rest))
            return await new.scan([NamedHost("region1", "127.0.0.1")])

    (found,) = asyncio.run(scan())
    assert found.line == " ".join(key.export_public_key("openssh").decode().split()[:2])
    assert found.fingerprint == key.get_fingerprint()


def test_hosts_that_show_no_key_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncssh.get_server_host_key
    monkeypatch.setattr(asyncssh, "get_server_host_key", lambda host, **rest: asked(host, 1, **rest))
    with pytest.raises(new.NewStackError) as refused:
        asyncio.run(new.scan([NamedHost("region1", "127.0.0.1"), NamedHost("rack1", "127.0.0.2")]))
    assert "region1 (127.0.0.1): " in str(refused.value)
    assert "rack1 (127.0.0.2): " in str(refused.value)
