"""The official engine: which one on PATH will do, and what comes out of a release archive."""

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toolchain.conftest import Answer, Sandbox, Server, pulumi, script
from toolchain import versions
from toolchain.commands import Commands
from toolchain.errors import ChecksumError
from toolchain.official import Releases, archive_name, checksum_of, new_enough, on_path, unpack
from toolchain.providers import Providers

FOLDER = f"/v{versions.ENGINE}"
LISTING = f"{FOLDER}/pulumi-{versions.ENGINE}-checksums.txt"


def archive(engine: str, *more: str) -> bytes:
    """A release archive with this engine."""
    packed = io.BytesIO()
    files = {"pulumi/pulumi": engine, "pulumi/pulumi-language-python": "host", **dict.fromkeys(more, "x")}
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def publish(server: Server, body: bytes, sha256: str | None = None) -> Answer:
    """Put a release on the server."""
    checksum = sha256 or hashlib.sha256(body).hexdigest()
    server.answers[LISTING] = Answer(f"{'0' * 64}  other.tar.gz\n{checksum}  {archive_name()}\n".encode())
    server.answers[f"{FOLDER}/{archive_name()}"] = made = Answer(body)
    return made


def test_release_is_downloaded_and_the_official_plugins_with_it(sandbox: Sandbox, server: Server) -> None:
    publish(server, archive(pulumi(), "pulumi/pulumi-language-python-exec", "pulumi/pulumi-language-go"))
    record = sandbox.setup(Releases(server.url)).run()
    assert record.downloads
    names = {path.name for path in Path(record.engine).iterdir()}
    assert names == {"pulumi", "pulumi-language-python", "pulumi-language-python-exec"}
    assert sandbox.calls("go") == []
    assert len(sandbox.calls("pulumi")) == 3
    assert not any("--file" in call for call in sandbox.calls("pulumi"))


def test_half_a_release_falls_back_to_building(
    sandbox: Sandbox, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(server, archive(pulumi())).cut_off = 99
    record = sandbox.setup(Releases(server.url)).run()
    assert "cut off after" in capsys.readouterr().err
    assert len(sandbox.calls("go build")) == 2
    assert Path(record.engine, "pulumi").exists()
    assert list(sandbox.cache.scratch.iterdir()) == []


def test_altered_release_is_refused(sandbox: Sandbox, server: Server) -> None:
    publish(server, archive(pulumi()), sha256="1" * 64)
    with pytest.raises(ChecksumError, match="published is 1111"):
        sandbox.setup(Releases(server.url)).run()
    assert sandbox.calls("go") == []
    assert list(sandbox.cache.scratch.iterdir()) == []
    assert sandbox.checkout.recorded() is None


def test_release_for_other_machines_only_is_said(sandbox: Sandbox, server: Server) -> None:
    publish(server, archive(pulumi()))
    server.answers[LISTING] = Answer(b"0  pulumi-other.tar.gz\n")
    with pytest.raises(ChecksumError, match="not in the release's checksum file"):
        sandbox.setup(Releases(server.url)).run()


def test_plugins_that_cannot_be_downloaded_are_replaced_by_ours(
    sandbox: Sandbox, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse = 'case "$*" in *--file*) ;; *) echo "error: 429 Too Many Requests" >&2; exit 255 ;; esac'
    publish(server, archive(pulumi(install=refuse)))
    record = sandbox.setup(Releases(server.url)).run()
    assert not record.downloads
    assert "429" in capsys.readouterr().err
    assert sum("--file" in call for call in sandbox.calls("pulumi")) == 3


def test_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"<html>please log in</html>")
    with pytest.raises(ChecksumError, match="not a release archive"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def test_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(archive("engine", "../../python-outside", "/tmp/python-outside"))
    target = tmp_path / "target"
    target.mkdir()
    unpack(tmp_path / "a.tar.gz", target)
    assert {path.name for path in target.iterdir()} == {"pulumi", "pulumi-language-python", "python-outside"}


def test_checksum_lines() -> None:
    listing = "aa  pulumi-a.tar.gz\nBB *pulumi-b.tar.gz\n\n"
    assert checksum_of("pulumi-a.tar.gz", listing) == "aa"
    assert checksum_of("pulumi-b.tar.gz", listing) == "bb"


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v3.255.0", True),
        ("v3.255.1-alpha.17", True),
        ("3.300.0", True),
        ("v4.0.0", True),
        ("v3.254.9", False),
        ("v3.99.0", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_new_enough(version: str, enough: bool) -> None:
    assert new_enough(version) is enough


class TestOnPath:
    """An engine on PATH counts when it is new, whole and not our own."""

    def test_new_and_whole(self, sandbox: Sandbox) -> None:
        script(sandbox.tools / "pulumi", pulumi("3.256.0"))
        script(sandbox.tools / "pulumi-language-python", "#!/bin/sh\n")
        assert on_path(sandbox.environ, sandbox.cache) == sandbox.tools

    def test_too_old(self, sandbox: Sandbox) -> None:
        script(sandbox.tools / "pulumi", pulumi("3.254.0"))
        script(sandbox.tools / "pulumi-language-python", "#!/bin/sh\n")
        assert on_path(sandbox.environ, sandbox.cache) is None

    def test_an_old_one_does_not_hide_a_new_one(self, sandbox: Sandbox, tmp_path: Path) -> None:
        for folder, version in (("old", "3.100.0"), ("new", "3.260.0")):
            script(tmp_path / folder / "pulumi", pulumi(version))
            script(tmp_path / folder / "pulumi-language-python", "#!/bin/sh\n")
        path = {"PATH": f"{tmp_path}/old:{tmp_path}/new"}
        assert on_path(path, sandbox.cache) == tmp_path / "new"

    def test_without_language_host(self, sandbox: Sandbox) -> None:
        script(sandbox.tools / "pulumi", pulumi())
        assert on_path(sandbox.environ, sandbox.cache) is None

    def test_broken(self, sandbox: Sandbox) -> None:
        script(sandbox.tools / "pulumi", "#!/bin/sh\nexit 1\n")
        script(sandbox.tools / "pulumi-language-python", "#!/bin/sh\n")
        assert on_path(sandbox.environ, sandbox.cache) is None

    def test_our_own(self, sandbox: Sandbox) -> None:
        ours = sandbox.cache.entry("engine", "key")
        script(ours / "pulumi", pulumi())
        script(ours / "pulumi-language-python", "#!/bin/sh\n")
        assert on_path({"PATH": str(ours)}, sandbox.cache) is None


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.lab
def test_full_disk_leaves_nothing_and_says_so(sandbox: Sandbox, tiny_disk: Path) -> None:
    sandbox.go('dd if=/dev/zero of="$GOTMPDIR/x" bs=64k count=9')
    sandbox.environ["XDG_CACHE_HOME"] = str(tiny_disk)
    done = sandbox.run()
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: building pulumi")
    assert "free some disk space" in error
    assert "Traceback" not in done.stderr
    assert list((tiny_disk / "maas-ha" / "tmp").iterdir()) == []


@pytest.mark.lab
def test_full_disk_while_downloading(sandbox: Sandbox, server: Server, tiny_disk: Path) -> None:
    publish(server, archive(pulumi()) + os.urandom(1 << 20))
    sandbox.cache = type(sandbox.cache)(tiny_disk / "maas-ha")
    with pytest.raises(OSError, match="No space left"):
        sandbox.setup(Releases(server.url)).run()
    assert list(sandbox.cache.scratch.iterdir()) == []


def test_key_follows_the_plugins_content(sandbox: Sandbox) -> None:
    providers = Providers(sandbox.root / "toolchain/plugins", sandbox.cache, Commands())
    before = providers.key(official=False)
    official = providers.key(official=True)
    (sandbox.root / "toolchain/plugins/shared.py").write_text("")
    assert providers.key(official=False) != before
    assert providers.key(official=True) == official
