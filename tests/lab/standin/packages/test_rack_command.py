"""`maas-rack` and its traps (maas-facts §1.3, §0a row 1.3)."""

import argparse
import binascii
import io
import stat
from collections.abc import Callable, Sequence

import pytest
import yaml

from lab.standin.maas_standin import cli_rack
from lab.standin.maas_standin.config import Invalid
from lab.standin.maas_standin.paths import Paths

SECRET = "0123456789abcdef0123456789abcdef"
Rack = Callable[..., int]


@pytest.fixture
def ran() -> list[list[str]]:
    """The commands that were run on the host."""
    return []


@pytest.fixture
def rack(paths: Paths, group: str, ran: list[list[str]]) -> Rack:
    """The command on a temporary host."""

    def execute(argv: Sequence[str]) -> None:
        ran.append(list(argv))

    return lambda *argv: cli_rack.run(argv, paths, execute, group)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts text on stdin, which is no terminal."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def systemctl(*verbs: str) -> list[list[str]]:
    return [["systemctl", verb, "maas-rackd"] for verb in verbs]


def test_register_writes_a_list_and_the_secret_and_starts(rack: Rack, paths: Paths, ran: list[list[str]]) -> None:
    paths.maas_id.write_text("abc123")
    assert rack("register", "--url", "http://one/MAAS", "--url", "http://two/MAAS", "--secret", SECRET) == 0
    assert ran == systemctl("stop", "enable", "start")
    assert not paths.maas_id.exists()
    assert yaml.safe_load(paths.rackd_conf.read_text()) == {"maas_url": ["http://one/MAAS", "http://two/MAAS"]}
    assert paths.secret.read_text() == SECRET
    assert {stat.S_IMODE(path.stat().st_mode) for path in (paths.secret, paths.rackd_conf)} == {0o640}


def test_register_again_does_it_all_again(rack: Rack, paths: Paths, ran: list[list[str]]) -> None:
    for _ in range(2):
        paths.maas_id.write_text("abc123")
        assert rack("register", "--url", "http://one/MAAS", "--secret", SECRET) == 0
    assert ran == systemctl("stop", "enable", "start") * 2
    assert not paths.maas_id.exists()


def test_with_the_secret_on_stdin_rackd_is_never_started(
    rack: Rack,
    paths: Paths,
    ran: list[list[str]],
    stdin: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdin(f"{SECRET}\n")
    assert rack("register", "--url", "http://one/MAAS") == 0
    assert ran == systemctl("stop")
    assert paths.secret.read_text() == SECRET
    assert capsys.readouterr().out == f"Secret installed to {paths.secret}.\n"


def test_a_bad_url_leaves_the_rack_down_and_nameless(rack: Rack, paths: Paths, ran: list[list[str]]) -> None:
    paths.maas_id.write_text("abc123")
    paths.rackd_conf.write_text("maas_url: http://before/MAAS\n")
    with pytest.raises(Invalid):
        rack("register", "--url", "http://ma_as/MAAS", "--secret", SECRET)
    assert ran == systemctl("stop")
    assert not paths.maas_id.exists()
    assert paths.rackd_conf.read_text() == "maas_url: http://before/MAAS\n"
    assert not paths.secret.exists()


def test_without_url_and_terminal_it_says_so_on_stdout(
    rack: Rack, ran: list[list[str]], stdin: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stdin("")
    assert rack("register", "--secret", SECRET) == 1
    assert "--url" in capsys.readouterr().out
    assert ran == []


def test_a_secret_on_the_command_line_is_not_looked_at_and_breaks_everything_after(rack: Rack, paths: Paths) -> None:
    assert rack("register", "--url", "http://one/MAAS", "--secret", "not hexadecimal") == 0
    assert paths.secret.read_text() == "not hexadecimal"
    for argv in (["config"], ["register", "--url", "http://one/MAAS", "--secret", SECRET]):
        with pytest.raises(binascii.Error):
            rack(*argv)
    paths.secret.unlink()
    assert rack("config") == 0


@pytest.mark.parametrize("text", ["not hexadecimal\n", "abc\n", ""])
def test_a_secret_on_stdin_must_be_hexadecimal(
    rack: Rack, paths: Paths, stdin: Callable[[str], None], text: str
) -> None:
    stdin(text)
    assert rack("install-shared-secret") == 1
    assert not paths.secret.exists()


def test_install_shared_secret(rack: Rack, paths: Paths, stdin: Callable[[str], None], ran: list[list[str]]) -> None:
    stdin(SECRET)
    assert rack("install-shared-secret") == 0
    assert paths.secret.read_text() == SECRET
    assert ran == []


def test_config_writes_a_list_and_restarts_nothing(rack: Rack, paths: Paths, ran: list[list[str]]) -> None:
    paths.rackd_conf.write_text("cluster_uuid: 11111111-2222-3333-4444-555555555555\n")
    for _ in range(2):
        assert rack("config", "--region-url", "http://one/MAAS", "--region-url", "two", "--tftp-port", "1069") == 0
        assert yaml.safe_load(paths.rackd_conf.read_text()) == {
            "cluster_uuid": "11111111-2222-3333-4444-555555555555",
            "maas_url": ["http://one/MAAS", "http://two"],
            "tftp_port": 1069,
        }
    assert ran == []


@pytest.mark.parametrize("argv", [("no-such-command",), ("config", "--colour", "red"), ()])
def test_what_it_does_not_know_is_exit_2(rack: Rack, argv: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        rack(*argv)
    assert caught.value.code == 2


def test_the_url_is_asked_for_on_a_terminal(
    paths: Paths, group: str, monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "http://asked/MAAS")
    options = argparse.Namespace(url=None, secret=SECRET)
    assert cli_rack.register(options, paths, lambda argv: ran.append(list(argv)), group) == 0
    assert yaml.safe_load(paths.rackd_conf.read_text()) == {"maas_url": ["http://asked/MAAS"]}
