"""`--database-uri` (maas-facts §1.1)."""

import pytest

from lab.standin.maas_standin.cli_process import CommandError
from lab.standin.maas_standin.snap_database_uri import settings_of


def test_user_password_host_port_and_name() -> None:
    assert settings_of("postgres://maas:p%40ss%2Fword@198.51.100.11:5433/maasdb") == {
        "database_host": "198.51.100.11",
        "database_port": 5433,
        "database_name": "maasdb",
        "database_user": "maas",
        "database_pass": "p@ss/word",
    }


def test_without_name_the_user_and_without_host_localhost() -> None:
    settings = settings_of("postgres://maas:x@")
    assert (settings["database_name"], settings["database_host"]) == ("maas", "localhost")
    assert "database_port" not in settings


@pytest.mark.parametrize("uri", ["postgresql://maas:x@db/maasdb", "db/maasdb"])
def test_another_beginning_is_refused(uri: str) -> None:
    with pytest.raises(CommandError, match="start with 'postgres://'"):
        settings_of(uri)


def test_no_parameters() -> None:
    with pytest.raises(CommandError, match=r"Unsupported parameters: sslmode, target_session_attrs"):
        settings_of("postgres://maas@db/maasdb?sslmode=require&target_session_attrs=read-write")


def test_several_hosts_end_in_a_traceback() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        settings_of("postgres://maas@db1:5432,db2:5432/maasdb")
