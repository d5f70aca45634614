"""A PostgreSQL that the operator brings: refused with all that is missing before anything is touched, then used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from lab.cluster import Lab
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import unit_starts
from tests.procedures.scenario import scenario
from tests.procedures.test_database import HBA, POSTGRES, event_loops, hosts_of, only

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "rack1": 31, "lb1": 41}
REGIOND_CONF = "/etc/maas/regiond.conf"

PASSWORD = "Operator's own: 50% & more"
DATABASE_ROLE = """
    CREATE ROLE maas LOGIN PASSWORD 'Operator''s own: 50% & more';
    CREATE DATABASE maasdb;
    ALTER SYSTEM SET listen_addresses = '*';
    ALTER SYSTEM SET max_connections = 40;
"""


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """On db1, which the stack file doesn't name, a PostgreSQL that can't serve MAAS yet: a small standby."""
    with scenario(tmp_path_factory.mktemp("external"), "ext", HOSTS) as made:
        lab = made.lab
        install = "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install postgresql-15"
        lab.exec("db1", "sh", "-c", install)
        let_in(lab, f"hostssl maasdb maas {lab.host('region1').address}/32 scram-sha-256")
        for statement in filter(str.strip, DATABASE_ROLE.split(";\n")):
            operator(lab, statement)
        lab.exec("db1", "systemctl", "restart", POSTGRES)  # a standby can't have fewer connections than it had before
        lab.exec("db1", "runuser", "-u", "postgres", "--", "touch", "/var/lib/postgresql/15/main/standby.signal")
        lab.exec("db1", "systemctl", "restart", POSTGRES)
        made.edit(only(hosts_of(lab, "db1", "region2"), {"region1": 2}))
        made.edit(lambda cluster: cluster.update(database={"external": str(lab.host("db1").address)}))
        yield made


def let_in(lab: Lab, line: str) -> None:
    """The operator's own line in their pg_hba.conf; takes effect with a reload."""
    lab.exec("db1", "sh", "-c", f"echo '{line}' >>{HBA}")


def operator(lab: Lab, statement: str) -> None:
    """The operator's own SQL on their server."""
    argv = ("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres")
    lab.exec("db1", *argv, input=f"{statement.strip()};\n")


def set_password(deployment: Deployment, password: str) -> None:
    deployment.pulumi("config", "set", "--secret", "maas-ha:databasePassword", password, "--stack", STACK)


def is_version(version: str) -> Callable[[Cluster], None]:
    return lambda cluster: cast("dict[str, object]", cluster["maas"]).update(version=version)


def untouched(lab: Lab, region: str) -> None:
    """Nothing of MAAS's runs, and its configuration is the package's."""
    assert str(lab.host("db1").address) not in lab.exec(region, "cat", REGIOND_CONF).stdout
    assert lab.exec(region, "systemctl", "is-active", "maas-regiond", check=False).stdout == "inactive\n"
    records = lab.exec(region, "sh", "-c", "ls /var/lib/maas-ha/records 2>/dev/null || true").stdout
    assert "-region" not in records


def test_password_is_asked_for_before_any_host_is(external: Deployment) -> None:
    said = external.up_fails()
    assert "maas-ha:databasePassword: is missing" in said
    assert "pulumi config set --secret databasePassword" in said


def test_wrong_password_is_refused(external: Deployment) -> None:
    set_password(external, "another one's")
    external.edit(is_version("3.7"))
    said = external.up_fails()
    assert "the password of role maas is another one, or there is no such role" in said
    assert "another one's" not in said
    untouched(external.lab, "region1")


def test_all_that_the_server_lacks_is_told_at_once(external: Deployment) -> None:
    lab = external.lab
    set_password(external, PASSWORD)
    before = lab.exec("region1", "sha256sum", REGIOND_CONF).stdout
    said = external.up_fails()
    for problem in (
        "it is PostgreSQL 15, and MAAS 3.7 needs 16 or newer",
        "it is a standby and takes no writes",
        'database maasdb belongs to postgres: ALTER DATABASE "maasdb" OWNER TO "maas"',
        "MAAS needs 97 connections and can have 37 (max_connections 40, 3 kept for superusers, 0 in use by others)",
    ):
        assert problem in said
    assert PASSWORD not in said
    assert lab.exec("region1", "sha256sum", REGIOND_CONF).stdout == before
    untouched(lab, "region1")


def test_once_the_operator_did_what_was_said_the_cluster_comes_up(external: Deployment) -> None:
    lab = external.lab
    operator(lab, "SELECT pg_promote()")
    operator(lab, 'ALTER DATABASE "maasdb" OWNER TO "maas"')
    operator(lab, "ALTER SYSTEM SET max_connections = 80")  # two regions of 3.4 and what is kept: 60 + 17 + 3
    lab.exec("db1", "systemctl", "restart", POSTGRES)
    external.edit(is_version("3.4"))
    said = external.up()
    assert PASSWORD not in said
    assert event_loops(lab, "region1") == 2
    assert external.outputs()["database_endpoint"] == f"{lab.host('db1').address}:5432"
    assert PASSWORD not in external.stack_file.read_text()
    assert PASSWORD not in json.dumps(external.state())


def test_a_region_more_waits_for_the_operator_s_pg_hba(external: Deployment) -> None:
    lab = external.lab
    before = unit_starts(lab)
    external.edit(only(hosts_of(lab, "db1"), {"region1": 2, "region2": 2}))
    said = external.up_fails()
    line = f"host maasdb maas {lab.host('region2').address}/32 scram-sha-256"
    assert re.search(
        rf"doesn't let {lab.host('region2').address} in: add `{line}`, then: SELECT pg_reload_conf\(\)", said
    )
    untouched(lab, "region2")
    let_in(lab, line)
    operator(lab, "SELECT pg_reload_conf()")
    external.up()
    assert event_loops(lab, "region2") == 4
    now = unit_starts(lab)
    for unit in (f"db1 {POSTGRES}", "region1 maas-regiond.service"):
        assert now[unit] == before[unit], unit


def test_verify_says_when_the_server_is_gone(external: Deployment) -> None:
    lab = external.lab
    agent = ("/usr/local/sbin/maas-ha-agent", "verify")
    assert lab.exec("region1", *agent).returncode == 0
    lab.exec("db1", "systemctl", "stop", POSTGRES)
    done = lab.exec("region1", *agent, check=False)
    assert done.returncode == 1
    assert f"PostgreSQL at {lab.host('db1').address}:5432 can't be reached from here" in done.stdout + done.stderr
