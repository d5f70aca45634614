"""`createadmin` and `apikey` (maas-facts §1.5, §0a row 1.5)."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from lab.standin.maas_standin import cli_users, db
from lab.standin.maas_standin.cli_process import CommandError

ROOT = Path(__file__).parents[4]

# The database is replaced by a line on stdout.
PROGRAM = """
import argparse, pathlib
from unittest.mock import MagicMock
from lab.standin.maas_standin import cli_users, db
db.connect = MagicMock()
db.create_admin = lambda connection, *user: print("created", *user)
options = dict(username=None, password=None, email=None, ssh_import=None)
options |= eval(__import__("sys").argv[1])
raise SystemExit(cli_users.createadmin(argparse.Namespace(**options), pathlib.Path("/nonexistent")))
"""


def start(options: dict[str, str], stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """`createadmin` in a process without a controlling terminal."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, repr(options)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


class Connection:
    """Knows that it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    connection = Connection()
    monkeypatch.setattr(db, "connect", lambda config, application_name: connection)
    return connection


def user(**values: object) -> argparse.Namespace:
    empty = {"username": None, "password": None, "email": None, "ssh_import": None, "generate": False}
    return argparse.Namespace(**(empty | values))


def test_nothing_is_asked_when_all_three_are_given() -> None:
    process = start({"username": "admin", "password": "pw", "email": "admin@example.com"}, subprocess.DEVNULL)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "created admin pw admin@example.com\n")


def test_the_password_is_read_twice_from_stdin_without_a_terminal() -> None:
    process = start({"username": "admin", "email": "admin@example.com"})
    output, _ = process.communicate("pw\npw\n\n", timeout=30)
    assert process.returncode == 0
    assert output.endswith("created admin pw admin@example.com\n")
    assert [output.count(prompt) for prompt in ("Password: ", "Again: ")] == [1, 1]


def test_two_different_passwords_are_asked_for_again() -> None:
    process = start({"username": "admin", "email": "admin@example.com"})
    output, _ = process.communicate("pw\nother\npw\npw\n\n", timeout=30)
    assert process.returncode == 0
    assert output.count("Password: ") == 2


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        ({"username": "admin", "email": "admin@example.com"}, "Password: "),
        ({"password": "pw", "email": "admin@example.com"}, "Username: "),
        ({"username": "admin", "password": "pw"}, "Email: "),
    ],
)
def test_at_the_end_of_the_input_it_prompts_for_ever(options: dict[str, str], prompt: str) -> None:
    process = start(options, subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        seen = 0
        while seen < 10_000:
            line = process.stdout.readline()
            assert line, "it ended"
            seen += line.count(prompt)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_a_user_that_exists(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def create(connection: Connection, username: str, password: str, email: str) -> None:
        raise db.AlreadyExistingUser(f"A user with the email {email} already exists.")

    monkeypatch.setattr(db, "create_admin", create)
    options = user(username="admin", password="pw", email="admin@example.com")
    assert cli_users.createadmin(options, tmp_path / "none") == 1
    assert capsys.readouterr().err == ("AlreadyExistingUser: A user with the email admin@example.com already exists.\n")
    assert connection.closed


def test_keys_are_printed_one_a_line(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(db, "api_keys", lambda connection, username: ["a:b:c", "d:e:f"])
    monkeypatch.setattr(db, "generate_api_key", lambda connection, username: "g:h:i")
    assert cli_users.apikey(user(username="admin"), tmp_path / "none") == 0
    assert cli_users.apikey(user(username="admin", generate=True), tmp_path / "none") == 0
    assert capsys.readouterr().out == "a:b:c\nd:e:f\ng:h:i\n"
    assert connection.closed


def test_an_unknown_user(connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def keys(connection: Connection, username: str) -> list[str]:
        raise db.UnknownUser

    monkeypatch.setattr(db, "api_keys", keys)
    with pytest.raises(CommandError, match=r"^User does not exist\.$"):
        cli_users.apikey(user(username="nobody"), tmp_path / "none")
