"""regiond.conf and rackd.conf as MAAS reads and writes them (maas-facts §2, §0a)."""

import os
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab.standin.maas_standin.config import (
    Invalid,
    read_rack,
    read_region,
    read_region_for_server,
    region_keys,
    write_private,
)
from lab.standin.maas_standin.validators import Number, Url


def conf(folder: Path, text: str) -> Path:
    path = folder / "some.conf"
    path.write_text(text)
    return path


def test_defaults_without_a_file(tmp_path: Path) -> None:
    config = read_region(tmp_path / "none")
    assert (config.maas_url, config.database_host, config.database_port) == (
        "http://localhost:5240/MAAS",
        "localhost",
        5432,
    )
    assert (config.database_name, config.database_user, config.database_pass) == ("maasdb", "maas", "")
    assert (config.num_workers, config.debug, config.database_conn_max_age) == (4, False, 300)
    assert read_rack(tmp_path / "none").maas_url == ("http://localhost:5240/MAAS",)


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    assert read_region(conf(tmp_path, "colour: red\nnum_workers: 2\n")).num_workers == 2


@pytest.mark.parametrize("text", ["num_workers: 0", "database_port: 99999", "database_port: 0", "- a list"])
def test_bad_numbers_are_invalid(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid):
        read_region(conf(tmp_path, text))


def test_a_quoted_number_is_a_type_error_that_the_server_swallows(tmp_path: Path) -> None:
    path = conf(tmp_path, "num_workers: '8'\ndatabase_host: db1\n")
    with pytest.raises(TypeError):
        read_region(path)
    server = read_region_for_server(path)
    assert (server.num_workers, server.database_host) == (4, "db1")


def test_the_server_still_refuses_zero_workers(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        read_region_for_server(conf(tmp_path, "num_workers: 0"))


def test_reading_does_not_look_at_urls(tmp_path: Path) -> None:
    assert read_region(conf(tmp_path, "maas_url: not-a-url")).maas_url == "not-a-url"
    assert "http://one/MAAS" in read_region(conf(tmp_path, "maas_url: [http://one/MAAS, http://two/MAAS]")).maas_url


def test_the_rack_takes_one_url_or_a_list(tmp_path: Path) -> None:
    assert read_rack(conf(tmp_path, "maas_url: http://one/MAAS")).maas_url == ("http://one/MAAS",)
    assert read_rack(conf(tmp_path, "maas_url: [http://one/MAAS, http://two/MAAS]")).maas_url == (
        "http://one/MAAS",
        "http://two/MAAS",
    )


def test_broadcast_address_came_with_3_5() -> None:
    assert "broadcast_address" not in {key.name for key in region_keys((3, 4))}
    assert "broadcast_address" in {key.name for key in region_keys((3, 5))}


@pytest.mark.parametrize("url", ["http://ma_as:5240/MAAS", "http://", "", "two words"])
def test_setting_refuses_what_is_no_url(url: str) -> None:
    with pytest.raises(Invalid):
        Url().parse(url)


def test_setting_is_lax_where_maas_is() -> None:
    assert Url().parse("not-a-url") == "http://not-a-url"
    assert Url().parse("http://one/MAAS,http://two/MAAS") == "http://one/MAAS,http://two/MAAS"


@given(st.integers())
def test_a_number_is_taken_exactly_within_its_limits(number: int) -> None:
    if 1 <= number <= 65535:
        assert Number(1, 65535).parse(str(number)) == number
    else:
        with pytest.raises(Invalid):
            Number(1, 65535).parse(str(number))


def test_a_new_file_is_0640_and_the_groups(tmp_path: Path, group: str) -> None:
    path = tmp_path / "regiond.conf"
    write_private(path, "{}\n", group)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, group: str, mode: int) -> None:
    path = conf(tmp_path, "num_workers: 1")
    path.chmod(mode)
    write_private(path, yaml.safe_dump({"num_workers": 2}), group)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert read_region(path).num_workers == 2


def test_an_existing_file_keeps_its_owner(tmp_path: Path, group: str) -> None:
    path = conf(tmp_path, "{}")
    os.chown(path, 1234, 2345)
    write_private(path, "num_workers: 2\n", group)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_failed_write_leaves_the_file_and_nothing_else(tmp_path: Path, group: str) -> None:
    with pytest.raises(KeyError):
        write_private(tmp_path / "new.conf", "{}", "no-such-group-here")
    path = conf(tmp_path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\udcff", group)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["some.conf"]
