"""Access to the database for every region, and the budget of its connections, all of them held for real."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from lab.cluster import Lab
from tests.engine.deployment import Cluster, Deployment
from tests.engine.hosts import sql, unit_starts
from tests.procedures.scenario import scenario, until

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "region2": 22, "region3": 23, "rack1": 31, "lb1": 41}
POSTGRES = "postgresql@15-main.service"
HBA = "/etc/postgresql/15/main/pg_hba.conf"

REGIONS_HOLD = 10 * (2 + 1) + 10 * (2 + 1) + 10 * (1 + 1)
"""Two regions with two workers and one with one, each with its master, ten connections a process (maas-facts §7)."""
NEEDED = REGIONS_HOLD + 20
"""`config.sizing.connections_needed`: 17 for commands and 3 that PostgreSQL keeps for superusers."""


def only(hosts: dict[str, object], regions: dict[str, int]) -> Callable[[Cluster], None]:
    """The stack with these hosts and regions, one rack, and no DHCP."""

    def change(cluster: Cluster) -> None:
        cluster["hosts"] = hosts
        cluster["regions"] = {name: {"workers": workers} for name, workers in regions.items()}
        cluster["racks"] = ["rack1"]
        cluster["dhcp"] = []

    return change


def hosts_of(lab: Lab, *but: str) -> dict[str, object]:
    return {host.name: {"address": str(host.address)} for host in lab.hosts if host.name not in but}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("database"), "db", HOSTS, change=lambda _: None) as made:
        made.edit(only(hosts_of(made.lab, "region3"), {"region1": 2, "region2": 2}))
        for region in ("region1", "region2", "region3"):
            made.lab.exec(region, "mkdir", "-p", "/etc/maas")
            made.lab.exec(region, "tee", "/etc/maas/standin.conf", input="hold: full\nprocess_refresh_s: 2\n")
        made.up()
        yield made


def postmaster_start(lab: Lab) -> str:
    return sql(lab, "SELECT pg_postmaster_start_time()")[0]


def configuration_read(lab: Lab) -> str:
    return sql(lab, "SELECT pg_conf_load_time()")[0]


def network_lines(lab: Lab) -> list[str]:
    """Lines of pg_hba.conf that let anybody in from the network."""
    return [line for line in lab.exec("db1", "cat", HBA).stdout.splitlines() if line.startswith("host")]


def event_loops(lab: Lab, region: str) -> int:
    """Event loops that a region lists; 0 while it doesn't answer."""
    try:
        with urllib.request.urlopen(f"http://{lab.host(region).address}:5240/MAAS/rpc/", timeout=5) as answer:
            return len(json.load(answer)["eventloops"])
    except OSError:
        return 0


def held(lab: Lab) -> int:
    """Connections of MAAS's role; counting them takes none."""
    return len(backends(lab, "maas"))


def test_three_updates_leave_one_line_a_region_and_tell_postgresql_nothing(deployment: Deployment) -> None:
    lab = deployment.lab
    lines, read, started = network_lines(lab), configuration_read(lab), postmaster_start(lab)
    assert lines == [
        f"hostssl maasdb maas {lab.host(name).address}/32 scram-sha-256" for name in ("region1", "region2")
    ]
    for _ in range(2):
        deployment.up()
    assert (network_lines(lab), configuration_read(lab), postmaster_start(lab)) == (lines, read, started)
    assert set(
        sql(lab, "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'maas'")
    ) == {"t"}


def test_a_region_more_is_a_line_more_and_a_reload(deployment: Deployment) -> None:
    lab = deployment.lab
    read, started, units = configuration_read(lab), postmaster_start(lab), unit_starts(lab)
    deployment.edit(only(hosts_of(lab), {"region1": 2, "region2": 2, "region3": 1}))
    deployment.up()
    lines = network_lines(lab)
    names = ("region1", "region2", "region3")
    assert lines == [f"hostssl maasdb maas {lab.host(name).address}/32 scram-sha-256" for name in names]
    assert lines == sorted(set(lines))
    assert postmaster_start(lab) == started
    assert configuration_read(lab) > read
    now = unit_starts(lab)
    for unit in (f"db1 {POSTGRES}", "region1 maas-regiond.service", "region2 maas-regiond.service"):
        assert now[unit] == units[unit], unit


def visitors(lab: Lab, number: int) -> tuple[int, list[str]]:
    """Sessions of an ordinary role beside MAAS's, which stay until `send_away`: how many came in, and the refusals.

    One after another: one that is being refused holds a connection until it has gone, so that two at once would both
    be refused where one has a place.
    """
    script = f"""
        cd /; id visitor >/dev/null 2>&1 || useradd visitor; : >/tmp/refused; chmod 666 /tmp/refused
        count() {{ ps -eo args | grep -c "$1"; }}
        for number in $(seq {number}); do
            setsid runuser -u visitor -- psql -X -d postgres -c 'SELECT pg_sleep(3600)' \
                >/dev/null 2>>/tmp/refused </dev/null &
            until [ $(($(count '^postgres: 15/main: visitor .* SELECT$') + $(wc -l </tmp/refused))) = "$number" ] \
                && [ "$(count '^postgres: 15/main: visitor .*')" = "$(count '^postgres: 15/main: visitor .* SELECT$')" ]
            do :; done
        done"""
    # A superuser's session takes one of everybody's connections as long as others are left: none may look on.
    until("nobody but MAAS is connected", lambda: not backends(lab, "postgres"))
    lab.exec("db1", "sh", "-c", script, timeout=120)
    refusals = lab.exec("db1", "cat", "/tmp/refused").stdout.splitlines()
    return len([title for title in backends(lab, "visitor") if title.endswith(" SELECT")]), refusals


def backends(lab: Lab, role: str) -> list[str]:
    """Titles of the server's processes for `role`, seen without a connection."""
    titles = lab.exec("db1", "ps", "-eo", "args").stdout.splitlines()
    return [title.strip() for title in titles if title.startswith(f"postgres: 15/main: {role} ")]


def send_away(lab: Lab) -> None:
    sql(lab, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'visitor'")
    until("visitors are gone", lambda: not backends(lab, "visitor"))


def limit(lab: Lab, connections: int | None) -> None:
    """Set `max_connections` over the product's own, or give that back, and restart PostgreSQL."""
    sql(lab, "ALTER SYSTEM " + (f"SET max_connections = {connections}" if connections else "RESET max_connections"))
    lab.exec("db1", "systemctl", "restart", POSTGRES)
    assert sql(lab, "SHOW max_connections") == [str(connections or NEEDED)]
    for region in ("region1", "region2", "region3"):  # the stand-in's pools may keep connections that have died
        lab.exec(region, "systemctl", "restart", "maas-regiond")


def regions_are_whole(lab: Lab) -> bool:
    return event_loops(lab, "region1") == 5 and held(lab) == REGIONS_HOLD


def test_the_budget_holds_at_its_limit_and_not_one_below(deployment: Deployment) -> None:
    """Each process holds ten connections; what is left is used up by ordinary sessions, as commands and backups are."""
    lab = deployment.lab
    sql(lab, "CREATE ROLE visitor LOGIN")
    assert sql(lab, "SHOW max_connections") == [str(NEEDED)]
    until("all regions hold all of their connections", lambda: regions_are_whole(lab))

    assert visitors(lab, 17) == (17, [])
    assert regions_are_whole(lab)
    assert sql(lab, "SELECT 'the operator gets in'") == ["the operator gets in"]
    send_away(lab)
    entered, refusals = visitors(lab, 18)
    assert entered == 17
    assert "remaining connection slots are reserved" in refusals[0]
    assert sql(lab, "SELECT 'the operator gets in'") == ["the operator gets in"]
    send_away(lab)

    # One below: the regions still hold all, and the last of the seventeen commands is refused.
    limit(lab, NEEDED - 1)
    until("all regions hold all of their connections again", lambda: regions_are_whole(lab))
    entered, refusals = visitors(lab, 17)
    assert entered == 16
    assert "remaining connection slots are reserved" in refusals[0]
    send_away(lab)
    verified = lab.exec("db1", "/usr/local/sbin/maas-ha-agent", "verify", check=False)
    assert verified.returncode == 1
    assert f"MAAS needs {NEEDED - 3} connections and can have {NEEDED - 4}" in verified.stdout


def test_without_a_reserve_the_regions_hold_and_one_below_a_region_lacks_a_connection(deployment: Deployment) -> None:
    lab = deployment.lab
    limit(lab, REGIONS_HOLD + 3)
    until("all regions hold all of their connections", lambda: regions_are_whole(lab))
    limit(lab, REGIONS_HOLD + 2)
    refusal = "remaining connection slots are reserved"
    logs = {name: log_length(lab, name) for name in ("region1", "region2", "region3")}

    def refused() -> bool:
        return held(lab) == REGIONS_HOLD - 1 and any(refusal in log_after(lab, *known) for known in logs.items())

    until("a regiond process is refused its tenth connection", refused)
    limit(lab, None)
    until("all regions hold all of their connections", lambda: regions_are_whole(lab))


def log_length(lab: Lab, region: str) -> int:
    return int(lab.exec(region, "stat", "-c", "%s", "/var/log/maas/regiond.log").stdout)


def log_after(lab: Lab, region: str, length: int) -> str:
    return lab.exec(region, "tail", "-c", f"+{length + 1}", "/var/log/maas/regiond.log").stdout


def test_past_the_step_postgresql_restarts(deployment: Deployment) -> None:
    lab = deployment.lab
    started = postmaster_start(lab)
    deployment.edit(only(hosts_of(lab), {"region1": 2, "region2": 2, "region3": 2}))
    deployment.up()
    assert sql(lab, "SHOW max_connections") == ["150"]
    assert postmaster_start(lab) > started
