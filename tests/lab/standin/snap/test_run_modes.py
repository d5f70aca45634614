"""`maas init | config | status | migrate` on files alone (maas-facts §1.1, §2); no supervisor answers here."""

import builtins
from pathlib import Path

import pytest
import yaml

from lab.standin.maas_standin import snap_cli, snap_init
from lab.standin.maas_standin.cli_process import CommandError
from lab.standin.maas_standin.config import read_region
from lab.standin.maas_standin.paths import Paths

URL = "http://198.51.100.41/MAAS"
URI = "postgres://maas:p@198.51.100.11:5432/maasdb"
SECRET = "0123456789abcdef0123456789abcdef"
REGION = ("init", "region", "--maas-url", URL, "--database-uri", URI, "--num-workers", "2", "--force")
RACK = ("init", "rack", "--maas-url", URL, "--secret", SECRET, "--force")


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modes that stood in `snap_mode` when the schema was migrated; the database is empty."""
    seen: list[str] = []

    def migrate(regiond_conf: Path) -> int:
        mode = regiond_conf.parents[1] / "common/snap_mode"
        seen.append(mode.read_text() if mode.exists() else "none")
        return 0

    monkeypatch.setattr("lab.standin.maas_standin.cli_region.dbupgrade", migrate)
    monkeypatch.setattr(snap_init, "needs_schema", lambda paths: True)
    return seen


def run(paths: Paths, *argv: str) -> int:
    return snap_cli.run(argv, paths)


def test_a_region(paths: Paths, migrations: list[str]) -> None:
    assert run(paths, *REGION) == 0
    assert paths.snap_mode.read_text() == "region"
    settings = read_region(paths.regiond_conf)
    assert (settings.maas_url, settings.num_workers, settings.database_host) == (URL, 2, "198.51.100.11")
    assert yaml.safe_load(paths.rackd_conf.read_text()) == {"maas_url": URL}
    # The order: settings, schema, mode, services.
    assert migrations == ["none"]
    # A password in a file that anyone may read: the umask decides (maas-facts §2).
    assert paths.regiond_conf.stat().st_mode & 0o777 == 0o644


def test_a_rack_has_the_secret_in_its_place_and_no_schema(paths: Paths, migrations: list[str]) -> None:
    assert run(paths, *RACK) == 0
    assert (paths.common / "maas/secret").read_text() == SECRET
    assert paths.secret.stat().st_mode & 0o777 == 0o640
    assert paths.snap_mode.read_text() == "rack"
    assert migrations == []


def test_a_region_with_a_rack_takes_no_secret(paths: Paths, migrations: list[str]) -> None:
    assert run(paths, "init", "region+rack", *REGION[2:]) == 0
    assert paths.snap_mode.read_text() == "region+rack"
    assert paths.runs_region
    with pytest.raises(SystemExit):
        run(paths, "init", "region+rack", *REGION[2:], "--secret", SECRET)


def test_init_destroys(paths: Paths, migrations: list[str]) -> None:
    paths.secret.write_text(SECRET)
    paths.certificates.mkdir()
    (paths.certificates / "cluster.key").touch()
    paths.rackd_conf.write_text("maas_url: [http://a/MAAS, http://b/MAAS]\n")
    assert run(paths, *REGION) == 0
    assert not paths.secret.exists()
    assert not paths.certificates.exists()
    assert yaml.safe_load(paths.rackd_conf.read_text())["maas_url"] == URL


def test_a_file_that_is_there_keeps_its_mode(paths: Paths, migrations: list[str]) -> None:
    paths.regiond_conf.touch(0o600)
    assert run(paths, *REGION) == 0
    assert paths.regiond_conf.stat().st_mode & 0o777 == 0o600


def test_a_failed_migration_leaves_no_mode(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(regiond_conf: Path) -> int:
        raise CommandError("no")

    paths.snap_mode.write_text("region")
    monkeypatch.setattr("lab.standin.maas_standin.cli_region.dbupgrade", fail)
    monkeypatch.setattr(snap_init, "needs_schema", lambda paths: True)
    with pytest.raises(CommandError):
        run(paths, *REGION)
    assert not paths.snap_mode.exists()
    assert run(paths, "status") == 1


def test_any_error_counts_as_an_empty_database(paths: Paths) -> None:
    paths.regiond_conf.write_text("database_host: 127.0.0.1\ndatabase_port: 1\n")
    assert snap_init.needs_schema(paths)


def test_without_force_the_default_is_no_and_nothing_happens(
    paths: Paths, migrations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.snap_mode.write_text("region")
    asked = answers(monkeypatch, "", "what", "no")
    for _ in range(2):
        assert run(paths, *REGION[:-1]) == 0
    assert len(asked) == 3
    assert not paths.regiond_conf.exists()
    assert migrations == []


def test_with_yes_it_goes_on(paths: Paths, migrations: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    paths.snap_mode.write_text("region")
    answers(monkeypatch, "yes")
    assert run(paths, *REGION[:-1]) == 0
    assert migrations == ["none"]


def test_at_the_end_of_the_input_it_asks_for_ever(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    class EnoughError(Exception):
        pass

    times = iter(range(100))

    def end_of_file(prompt: str) -> str:
        if next(times, None) is None:
            raise EnoughError
        raise EOFError

    monkeypatch.setattr(builtins, "input", end_of_file)
    with pytest.raises(EnoughError):
        run(paths, "init", "rack", "--maas-url", URL, "--force")


@pytest.mark.parametrize(
    "argv",
    [
        ("init",),
        ("init", "all"),
        ("init", "region", "--secret", SECRET),
        ("init", "rack", "--database-uri", URI),
        ("init", "rack", "--num-workers", "2"),
        ("config", "--database-uri", URI),
        ("no-such-command",),
    ],
)
def test_what_argparse_refuses_is_exit_2(paths: Paths, argv: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as refused:
        run(paths, *argv)
    assert refused.value.code == 2


@pytest.mark.parametrize("command", ["init", "config", "status", "migrate"])
def test_only_root(
    paths: Paths, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert run(paths, command) == 1
    assert capsys.readouterr().err == f"The '{command}' command must be run by root.\n"


def test_config_shows_and_hides(paths: Paths, migrations: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(paths, *REGION)
    capsys.readouterr()
    assert run(paths, "config", "--show", "--parsable") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mode=region"
    assert f"maas_url={URL}" in lines
    assert "database_pass=(hidden)" in lines
    run(paths, "config", "--show", "--parsable", "--show-database-password")
    assert "database_pass=p" in capsys.readouterr().out.splitlines()
    run(paths, *RACK)
    capsys.readouterr()
    run(paths, "config", "--parsable")
    assert capsys.readouterr().out.splitlines() == ["mode=rack", f"maas_url={URL}", "secret=(hidden)"]


@pytest.fixture
def restarts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that `maas config` restarts everything."""
    seen: list[str] = []
    monkeypatch.setattr("lab.standin.maas_standin.snap_config.follow_mode", lambda paths: seen.append("restart"))
    return seen


def test_config_restarts_only_for_a_difference(paths: Paths, migrations: list[str], restarts: list[str]) -> None:
    run(paths, *REGION)
    assert run(paths, "config", "--num-workers", "2", "--maas-url", URL) == 0
    assert restarts == []
    assert run(paths, "config", "--num-workers", "3", "--enable-debug") == 0
    assert restarts == ["restart"]
    assert read_region(paths.regiond_conf).num_workers == 3
    assert read_region(paths.regiond_conf).debug
    run(paths, "config", "--maas-url", "http://other/MAAS")
    assert yaml.safe_load(paths.rackd_conf.read_text()) == {"maas_url": "http://other/MAAS"}


def test_the_secret_is_for_racks_and_restarts_nothing(paths: Paths, migrations: list[str], restarts: list[str]) -> None:
    run(paths, *RACK)
    other = SECRET[::-1]
    assert run(paths, "config", "--secret", other) == 0
    assert paths.secret.read_text() == other
    assert restarts == []
    with pytest.raises(CommandError, match="not supported in 'rack' mode: --num-workers"):
        run(paths, "config", "--num-workers", "3")
    run(paths, *REGION)
    with pytest.raises(CommandError, match="Following flags are not supported in 'region' mode: --secret"):
        run(paths, "config", "--secret", other)


def test_migrate_is_for_regions(paths: Paths, migrations: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(paths, *RACK)
    assert run(paths, "migrate") == 1
    assert capsys.readouterr().out
    assert run(paths, "migrate", "--configure") == 0
    run(paths, *REGION)
    assert run(paths, "migrate") == 0
    assert migrations == ["none", "region"]


def answers(monkeypatch: pytest.MonkeyPatch, *given: str) -> list[str]:
    """Answer prompts in turn; the prompts that came."""
    asked: list[str] = []
    turn = iter(given)

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return next(turn)

    monkeypatch.setattr(builtins, "input", answer)
    return asked
