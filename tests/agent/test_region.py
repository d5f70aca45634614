"""A region: the schema is never changed under a running regiond, and ready means that its event loops are listed."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from agent import schema
from agent.bundle import Bundle, Effect, File, RegionSettings
from agent.roles import region
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas

UNIT = "maas-regiond.service"
SECRET = "0123456789abcdef" * 2

MAAS_REGION = r"""#!@PYTHON@
# maas-region as maas-facts §0a and §1.5 describe it, with its state in files.
import getpass, pathlib, sys
home = pathlib.Path("@HOME@")
with open(home / "maas-region.log", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
command, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
users = home / "users"
if command == "dbupgrade":
    if (home / "dbupgrade-fails").exists():
        sys.exit('relation "django_content_type" already exists')
    (home / "has-schema").touch()
elif command == "apikey":
    if not users.exists():
        sys.exit("CommandError: User does not exist.")
    print((home / "key").read_text())
elif command == "createadmin":
    if (home / "email-taken").exists():
        sys.exit(f"AlreadyExistingUser: A user with the email {options['--email']} already exists.")
    if getpass.getpass() != getpass.getpass("Again: "):
        sys.exit("passwords differ")
    while True:  # the prompt for SSH keys spins at end of input
        try:
            if input("Import SSH keys [] (lp:user-id or gh:user-id): ") == "":
                break
        except EOFError:
            print()
    users.touch()
"""

PSQL = r"""#!/bin/sh
# The database: whether it has a schema, and whose sessions it holds.
home='@HOME@'
test "$(stat -c %a "$PGPASSFILE")" = 600 || exit 9
cp "$PGPASSFILE" "$home/pgpass"
sql=$(cat)
case $sql in
    *to_regclass*) if [ -e "$home/has-schema" ]; then echo t; else echo f; fi ;;
    *inet_client_addr*) cat "$home/others" ;;
    *pg_stat_activity*) cat "$home/others" "$home/own" ;;
    *) echo "unexpected: $sql" >&2; exit 1 ;;
esac
"""


class Controller:
    """A host with MAAS's commands, a database, and an API that answers once regiond was started."""

    def __init__(self, machine: FakeHost, local: Local, maas: FakeMaas) -> None:
        self.machine, self.local, self.maas = machine, local, maas
        self.home = machine.outside
        for name in ("others", "own"):
            (self.home / name).write_text("")
        (self.home / "key").write_text(KEY)
        (self.home / "version").write_text("1:3.4.10")
        machine.program("maas-region", self._text(MAAS_REGION))
        machine.program("psql", self._text(PSQL))
        machine.program("dpkg-query", f'cat "{self.home}/version"')
        machine.unit(UNIT, "enabled inactive")
        started = (
            f'echo rrr >"{machine.root}/var/lib/maas/maas_id"; printf {SECRET} >"{machine.root}/var/lib/maas/secret"'
        )
        machine.hook("start", UNIT, started)
        machine.write("/var/lib/maas/x", "")
        (machine.root / "proc" / str(os.getpid())).mkdir(parents=True)
        self.listed(2)

    def _text(self, text: str) -> str:
        return text.replace("@HOME@", str(self.home)).replace("@PYTHON@", sys.executable)

    def listed(self, count: int, *more: str) -> None:
        """How many event loops of living processes this host has in `/MAAS/rpc/`, beside others."""
        host = socket.gethostname()
        for number in range(count):
            (self.machine.root / "proc" / f"{100 + number}").mkdir(exist_ok=True)
        names = [f"{host}:pid={100 + number}" for number in range(count)]
        self.maas.event_loops = dict.fromkeys([*names, *more])

    def commands(self) -> list[str]:
        """What maas-region was told since the last time."""
        log = self.home / "maas-region.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def touch(self, name: str, text: str = "") -> Path:
        """Set a part of the state."""
        path = self.home / name
        path.write_text(text)
        return path

    def bundle(self, *, leader: bool = True, workers: int = 2, content: str = "a") -> Bundle:
        """A region as the program asks for it."""
        settings = RegionSettings(
            leader=leader,
            workers=workers,
            database_host="10.0.0.5",
            database_port=5432,
            database="maasdb",
            role="maas",
            admin_username="admin",
            admin_email="admin@example.com",
            api_urls=(self.maas.url,),
        )
        secrets = {"database_password": "db:pw\\1"} | ({"admin_password": "adminpw9"} if leader else {"api_key": KEY})
        file = File(
            "/etc/maas/regiond.conf",
            f"database_pass: <<secret:database_password>> {content}",
            effect=Effect.RESTART,
            units=(UNIT,),
        )
        return Bundle("h1", "region-1", settings, files=(file,), units=(UNIT,), secrets=secrets)


@pytest.fixture
def controller(machine: FakeHost, local: Local, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> Controller:
    monkeypatch.setattr(region, "OWN_URL", maas.url)
    monkeypatch.setattr(region, "HEALTH_DEADLINE", 0.3)
    monkeypatch.setattr(region, "FORGET_DEADLINE", 0.5)
    monkeypatch.setattr(schema, "SESSIONS_END", 0.3)
    return Controller(machine, local, maas)


def test_leader_makes_schema_administrator_and_tells_secrets(controller: Controller) -> None:
    outputs = controller.local.apply(controller.bundle())
    assert outputs == {"system_id": "rrr", "shared_secret": SECRET, "api_key": KEY, "admin_created": True}
    told = [line.split(" ")[0] for line in controller.commands()]
    assert told == ["dbupgrade", "apikey", "createadmin", "apikey"]
    assert controller.machine.calls() == [f"start {UNIT}"]
    assert (controller.home / "pgpass").read_text() == "10.0.0.5:5432:maasdb:maas:db\\:pw\\\\1\n"
    assert not list((controller.machine.root / "var/lib/maas-ha").glob("pgpass*"))


def test_no_secret_in_arguments_records_or_output(controller: Controller, capfd: pytest.CaptureFixture[str]) -> None:
    controller.local.apply(controller.bundle())
    state = controller.machine.root / "var/lib/maas-ha"
    kept = "".join(path.read_text() for path in state.rglob("*") if path.is_file())
    seen = kept + "".join(controller.commands()) + "".join(capfd.readouterr())
    for secret in ("db:pw", "adminpw9", KEY, SECRET):
        assert secret not in seen


def test_second_apply_only_asks(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    (controller.home / "pgpass").unlink()
    outputs = controller.local.apply(controller.bundle())
    assert outputs["admin_created"] is False
    assert controller.commands() == ["apikey --username admin"]
    assert controller.machine.calls() == []
    assert not (controller.home / "pgpass").exists()
    assert controller.local.differences() == []


def test_changed_file_restarts_without_migration(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    controller.touch("others", "10.0.0.7\n")
    controller.local.apply(controller.bundle(content="b"))
    assert controller.commands() == ["apikey --username admin"]
    assert controller.machine.calls() == [f"restart {UNIT}"]


def test_new_version_migrates_with_regiond_stopped(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    controller.touch("version", "1:3.5.2")
    controller.local.apply(controller.bundle(content="b"))
    assert controller.commands()[0] == "dbupgrade"
    assert controller.machine.calls() == [f"stop {UNIT}", f"start {UNIT}"]


def test_never_migrates_under_a_running_regiond(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.commands()
    controller.machine.calls()
    controller.touch("version", "1:3.5.2")
    controller.touch("others", "10.0.0.7\n10.0.0.8\n")
    with pytest.raises(ToldError, match=r"a regiond runs at 10\.0\.0\.7, 10\.0\.0\.8.*systemctl stop maas-regiond"):
        controller.local.apply(controller.bundle(content="b"))
    assert controller.commands() == []
    assert controller.machine.calls() == []


def test_own_sessions_must_end_first(controller: Controller) -> None:
    controller.touch("own", "10.0.0.2\n")
    with pytest.raises(ToldError, match=r"sessions from 10\.0\.0\.2"):
        controller.local.apply(controller.bundle())
    assert controller.commands() == []


def test_rebuilt_leader_leaves_a_running_cluster_alone(controller: Controller) -> None:
    controller.touch("has-schema")
    controller.touch("others", "10.0.0.7\n")
    controller.local.apply(controller.bundle())
    assert "dbupgrade" not in controller.commands()


def test_rebuilt_leader_checks_a_silent_database(controller: Controller) -> None:
    controller.touch("has-schema")
    controller.local.apply(controller.bundle())
    assert controller.commands()[0] == "dbupgrade"


def test_empty_database_with_others_running_is_refused(controller: Controller) -> None:
    controller.touch("others", "10.0.0.7\n")
    with pytest.raises(ToldError, match="must be migrated"):
        controller.local.apply(controller.bundle())


def test_interrupted_migration_is_run_again(controller: Controller) -> None:
    controller.touch("dbupgrade-fails")
    with pytest.raises(ToldError, match="django_content_type"):
        controller.local.apply(controller.bundle())
    assert json.loads(controller.machine.read("/var/lib/maas-ha/schema.json"))["done"] is False
    controller.touch("has-schema")
    (controller.home / "dbupgrade-fails").unlink()
    controller.commands()
    controller.local.apply(controller.bundle())
    assert controller.commands()[0] == "dbupgrade"
    assert json.loads(controller.machine.read("/var/lib/maas-ha/schema.json"))["done"] is True


def test_follower_insists_on_the_schema(controller: Controller) -> None:
    with pytest.raises(ToldError, match=r"the schema is missing in database 10\.0\.0\.5:5432/maasdb"):
        controller.local.apply(controller.bundle(leader=False))
    assert controller.machine.calls() == []
    controller.touch("has-schema")
    assert controller.local.apply(controller.bundle(leader=False)) == {"system_id": "rrr"}
    assert controller.commands() == []


def test_active_unit_proves_nothing(controller: Controller) -> None:
    controller.listed(1, "other-host:pid=100", f"{socket.gethostname()}:pid=99999")
    controller.machine.write("/var/log/maas/regiond.log", "settings.DATABASES is improperly configured.\n")
    with pytest.raises(ToldError) as told:
        controller.local.apply(controller.bundle())
    assert "1 of 2 event loops of this host are listed" in told.value.lines[0]
    assert any("improperly configured" in line for line in told.value.lines)
    assert controller.machine.unit(UNIT) == "enabled inactive"


def test_eleventh_worker_is_not_waited_for(controller: Controller) -> None:
    controller.listed(10)
    controller.local.apply(controller.bundle(workers=12))


def test_administrator_with_another_name_on_the_address(controller: Controller) -> None:
    controller.touch("email-taken")
    with pytest.raises(ToldError, match=r"admin@example\.com belongs to another user than admin"):
        controller.local.apply(controller.bundle())


def test_secret_of_another_form_is_refused(controller: Controller) -> None:
    controller.machine.hook("start", UNIT, f'echo rrr >"{controller.machine.root}/var/lib/maas/maas_id"')
    controller.machine.write("/var/lib/maas/secret", "short")
    with pytest.raises(ToldError, match="doesn't hold 32 hexadecimal digits"):
        controller.local.apply(controller.bundle())


def test_remove_stops_and_lets_a_peer_forget(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.machine.calls()
    controller.maas.regions = {"rrr": ""}
    controller.local.remove(controller.bundle())
    assert controller.machine.calls()[0] == f"stop {UNIT}"
    assert controller.maas.requests == ["DELETE regioncontrollers/rrr/"]
    assert not (controller.machine.root / "etc/maas/regiond.conf").exists()


def test_remove_waits_while_maas_thinks_that_it_runs(controller: Controller) -> None:
    controller.local.apply(controller.bundle())
    controller.maas.regions = {"rrr": "Unable to delete h as it's currently running."}
    with pytest.raises(ToldError, match="as it's currently running"):
        controller.local.remove(controller.bundle())
    assert len(controller.maas.requests) > 1
    assert controller.machine.unit(UNIT) == "enabled active"


def test_remove_of_the_last_region_says_so(controller: Controller, capfd: pytest.CaptureFixture[str]) -> None:
    controller.local.apply(controller.bundle())
    controller.maas.down = 502
    controller.local.remove(controller.bundle())
    assert "this was the last region, MAAS's database keeps its row" in capfd.readouterr().err
    assert controller.machine.unit(UNIT) == "enabled inactive"
