"""`maas-region` (maas-facts §1.2, §10)."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lab.standin.maas_standin import cli_process, cli_region, db
from lab.standin.maas_standin.cli_process import CommandError
from lab.standin.maas_standin.config import Invalid, RegionConfig
from lab.standin.maas_standin.paths import Paths

Region = Callable[..., int]

NAMED = """options {
\tdirectory "/var/cache/bind";

\t// forwarders {
\t// \t0.0.0.0;
\t// };

\tdnssec-validation auto;
};
"""


@pytest.fixture
def region(paths: Paths, group: str) -> Region:
    """The command on a temporary host, with its exit code as a process has it."""
    return lambda *argv: cli_process.reported(lambda: cli_region.run(argv, paths, group))


def test_set_then_get(region: Region, paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert region("local_config_set", "--maas-url", "http://vip/MAAS", "--num-workers", "8", "--debug", "true") == 0
    assert capsys.readouterr() == ("", "")
    assert yaml.safe_load(paths.regiond_conf.read_text()) == {
        "maas_url": "http://vip/MAAS",
        "num_workers": 8,
        "debug": True,
    }
    assert region("local_config_get", "--num-workers", "--database-host") == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"num_workers": 8, "database_host": "localhost"}
    assert region("local_config_get", "--json", "--maas-url") == 0
    assert json.loads(capsys.readouterr().out) == {"maas_url": "http://vip/MAAS"}
    assert region("local_config_get", "--plain", "--maas-url") == 0
    assert capsys.readouterr().out == "http://vip/MAAS\n"


def test_get_without_keys_prints_braces(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    assert region("local_config_get") == 0
    assert capsys.readouterr().out == "{}\n"


def test_set_without_an_option_only_makes_the_file(region: Region, paths: Paths) -> None:
    assert region("local_config_set") == 0
    assert yaml.safe_load(paths.regiond_conf.read_text()) == {}
    assert stat.S_IMODE(paths.regiond_conf.stat().st_mode) == 0o640


def test_set_keeps_unknown_keys_and_a_second_time_changes_nothing(region: Region, paths: Paths) -> None:
    paths.regiond_conf.write_text("colour: red\n")
    assert region("local_config_set", "--num-workers", "2") == 0
    first = paths.regiond_conf.read_text()
    assert region("local_config_set", "--num-workers", "2") == 0
    assert paths.regiond_conf.read_text() == first
    assert yaml.safe_load(first) == {"colour": "red", "num_workers": 2}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--num-workers", "0"), "CommandError: num-workers: Please enter a number that is 1 or greater.\n"),
        (
            ("--database-port", "65536"),
            "CommandError: database-port: Please enter a number that is 65535 or smaller.\n",
        ),
    ],
)
def test_bad_values_change_nothing(
    region: Region, paths: Paths, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str
) -> None:
    assert region("local_config_set", "--database-host", "db1", *argv) == 1
    assert capsys.readouterr().err == message
    assert not paths.regiond_conf.exists()


def test_a_url_with_an_underscore_is_refused(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    assert region("local_config_set", "--maas-url", "http://ma_as/MAAS") == 1
    assert capsys.readouterr().err.startswith("CommandError: maas-url: ")


def test_a_bad_value_in_the_file_is_only_seen_by_who_asks_for_it(region: Region, paths: Paths) -> None:
    paths.regiond_conf.write_text("num_workers: 0\n")
    assert region("local_config_get", "--database-host") == 0
    with pytest.raises(Invalid):
        region("local_config_get", "--num-workers")


def test_reset(region: Region, paths: Paths) -> None:
    paths.regiond_conf.write_text("num_workers: 2\ndebug: true\n")
    assert region("local_config_reset", "--num-workers") == 0
    assert yaml.safe_load(paths.regiond_conf.read_text()) == {"debug": True}


@pytest.mark.parametrize("argv", [("no_such_command",), ("local_config_set", "--colour", "red"), ()])
def test_what_it_does_not_know_is_exit_2(region: Region, argv: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        region(*argv)
    assert caught.value.code == 2


def test_the_migrations_are_listed_or_said_to_be_none(
    region: Region, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pending = ["maasserver.0001_initial"]

    def migrate(config: RegionConfig) -> list[str]:
        return [pending.pop()] if pending else []

    monkeypatch.setattr(db, "migrate", migrate)
    assert region("dbupgrade") == 0
    assert "Applying maasserver.0001_initial... OK" in capsys.readouterr().out
    assert region("dbupgrade") == 0
    assert "No migrations to apply." in capsys.readouterr().out


def test_an_old_server_is_one_line(
    region: Region, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def migrate(config: RegionConfig) -> list[str]:
        raise db.UnsupportedServer("too old")

    monkeypatch.setattr(db, "migrate", migrate)
    assert region("dbupgrade") == 1
    assert capsys.readouterr().err == "CommandError: too old\n"


def test_only_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli_region.main(["local_config_get"]) == 1
    assert "root" in capsys.readouterr().err


def test_without_the_group_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cli_process, "MAAS_GROUP", "no-such-group-here")
    assert cli_region.main(["local_config_get"]) == 1
    assert capsys.readouterr().err == "No such group: no-such-group-here\n"


def test_named_options_are_edited_once_with_a_backup(region: Region, tmp_path: Path) -> None:
    path = tmp_path / "named.conf.options"
    path.write_text(NAMED)
    assert region("edit_named_options", "--config-path", str(path)) == 0
    edited = path.read_text()
    assert edited == NAMED.replace("\n};\n", '\n\tinclude "/etc/bind/maas/named.conf.options.inside.maas";\n};\n')
    (backup,) = tmp_path.glob("named.conf.options.maas-*")
    assert backup.read_text() == NAMED
    assert region("edit_named_options", "--config-path", str(path)) == 0
    assert path.read_text() == edited
    assert list(tmp_path.glob("named.conf.options.maas-*")) == [backup]


@pytest.mark.parametrize("content", [None, "// nothing here\n"])
def test_named_options_that_cannot_be_edited(region: Region, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "named.conf.options"
    if content is not None:
        path.write_text(content)
    assert region("edit_named_options", "--config-path", str(path)) == 1


def test_command_errors_are_raised_to_callers(paths: Paths, group: str) -> None:
    with pytest.raises(CommandError):
        cli_region.run(["local_config_set", "--num-workers", "none"], paths, group)
