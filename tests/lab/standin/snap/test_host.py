"""snapd and the snap maas on real hosts (maas-facts §1.1, §2, §10)."""

import json
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lab.cluster import Lab
from lab.standin.build import LONG_VERSIONS
from tests.lab.traces import free_network

pytestmark = pytest.mark.lab

INSTALL = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
NO_START = "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d"
DATABASE = r"""
su postgres -c "psql -qc \"create role maas login password 'pass'\" -c 'create database maasdb owner maas'"
cd /etc/postgresql/*/main
echo "listen_addresses = '*'" >> postgresql.conf
echo 'host maasdb maas samenet scram-sha-256' >> pg_hba.conf
systemctl restart postgresql
"""
HOLD_UNTIL_BOTH_WAIT = """
begin;
do $$ begin
    create table public.django_migrations ();
    for tenth in 1..1200 loop
        perform pg_stat_clear_snapshot();
        exit when (select count(*) from pg_stat_activity where datname = 'maasdb' and wait_event_type = 'Lock') = 2;
        perform pg_sleep(0.1);
    end loop;
end $$;
rollback;
"""
"""Two migrations of an empty database get as far as their first table, and no further before both are there."""
IS_HELD = "select 'held' from pg_locks where mode = 'AccessExclusiveLock' and granted;"
STORE = "/usr/lib/snapd/standin-store/store.json"
VIEW = "maasserver_routable_pairs"
SECRET = "/var/snap/maas/common/maas/secret"


@dataclass(frozen=True)
class Result:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass
class Hosts:
    """`box` with PostgreSQL, and `other`."""

    lab: Lab

    def run(self, host: str, command: str) -> Result:
        """One shell command, with the snaps' commands on PATH and no input."""
        script = f"export PATH=$PATH:/snap/bin; cd /; {command}"
        done = self.lab.exec(host, "sh", "-c", script, check=False, input="", timeout=180)
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, host: str, command: str) -> str:
        """Output of a command that must succeed."""
        done = self.run(host, command)
        assert done.code == 0, f"{command}: {done}"
        return done.out

    def until(self, host: str, command: str, expected: str, seconds: float = 60) -> None:
        """Wait until the command's output has `expected` in it."""
        deadline = time.monotonic() + seconds
        while expected not in (seen := self.run(host, command)).out:
            assert time.monotonic() < deadline, f"{command}: {seen}"
            time.sleep(0.2)

    def init_region(self, host: str) -> str:
        """The command that makes a host a region on the database of `box`."""
        address, own = self.lab.host("box").address, self.lab.host(host).address
        uri = f"postgres://maas:pass@{address}/maasdb"
        options = f"--maas-url http://{own}:5240/MAAS --database-uri {shlex.quote(uri)} --num-workers 1"
        return f"maas init region {options} --force"

    def serving(self, host: str) -> None:
        """Wait until the region's event loop is listed by itself."""
        self.until(host, "curl -s http://127.0.0.1:5240/MAAS/rpc/", f'"{host}:pid=')


def psql(script: str) -> str:
    """The command that gives `script` to PostgreSQL's administrator, on `box`."""
    return f"su postgres -c 'psql -qAtv ON_ERROR_STOP=1 maasdb' <<'END'\n{script}\nEND"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Both with snapd, installed under a policy that forbids to start services."""
    lab = Lab("snaps", tmp_path_factory.mktemp("snaps"))
    try:
        lab.up(free_network(), (("box", 21), ("other", 22)), "3.4")
        found = Hosts(lab)
        with ThreadPoolExecutor() as pool:
            install = f"{INSTALL} snapd && rm /usr/sbin/policy-rc.d"
            both = [
                pool.submit(found.ok, "box", f"{INSTALL} postgresql > /dev/null && {NO_START}; {install}; {DATABASE}"),
                pool.submit(found.ok, "other", f"{NO_START}; {install}"),
            ]
        for one in both:
            one.result()
        yield found
    finally:
        lab.down()


def test_1_snapd_isnt_there_until_it_is_started_and_then_not_at_once(hosts: Hosts) -> None:
    assert "cannot communicate with server" in hosts.run("box", "snap list").err
    for name in ("box", "other"):
        assert hosts.ok(name, "systemctl is-enabled snapd.socket") == "enabled\n"
        hosts.ok(name, "systemctl start snapd.socket")
    early = hosts.run("box", "snap install maas --channel=3.4/stable")
    assert (early.code, early.err.startswith("error: too early for operation")) == (1, True)
    for name in ("box", "other"):
        hosts.ok(name, "snap wait system seed.loaded")
    assert hosts.ok("box", "systemctl is-active nginx isc-dhcp-server || true") == "inactive\ninactive\n"


def test_2_install(hosts: Hosts) -> None:
    assert hosts.run("box", "snap list maas") == Result(1, "", "error: no matching snaps installed\n")
    assert "latest/stable" in hosts.run("box", "snap install maas").err
    assert 'snap "mass" not found' in hosts.run("box", "snap install mass").err
    denied = hosts.run("box", "su nobody -s /bin/sh -c 'snap install maas --channel=3.4'")
    assert denied == Result(1, "", "error: access denied (try with sudo)\n")
    for name in ("box", "other"):
        assert "3.4.10-14366-g.518bf2c80" in hosts.ok(name, "snap install maas --channel=3.4/stable")
    again = hosts.run("box", "snap install maas --channel=3.7/stable")
    assert again == Result(0, "", "snap \"maas\" is already installed, see 'snap help refresh'\n")
    rows = [line.split() for line in hosts.ok("box", "snap list").splitlines()]
    assert [(row[0], row[3], row[5]) for row in rows[1:]] == [
        ("snapd", "latest/stable", "snapd"),
        ("core22", "latest/stable", "base"),
        ("maas", "3.4/stable", "-"),
    ]


def test_3_the_unit_is_active_before_init_and_nothing_else_is(hosts: Hosts) -> None:
    assert hosts.ok("box", "systemctl is-active snap.maas.supervisor.service") == "active\n"
    assert hosts.run("box", "maas status") == Result(1, "MAAS is not configured\n", "")
    assert hosts.run("box", "ss -tln | grep 52").out == ""


def test_4_a_lost_race_on_the_empty_database_and_a_rerun(hosts: Hosts) -> None:
    with ThreadPoolExecutor() as pool:
        held = pool.submit(hosts.ok, "box", psql(HOLD_UNTIL_BOTH_WAIT))
        hosts.until("box", psql(IS_HELD), "held")
        racing = [pool.submit(hosts.run, name, hosts.init_region(name)) for name in ("box", "other")]
    ended = {name: one.result() for name, one in zip(("box", "other"), racing, strict=True)}
    held.result()
    assert sorted(result.code for result in ended.values()) == [0, 1], ended
    loser = next(name for name, result in ended.items() if result.code)
    assert "Traceback" in ended[loser].err
    assert hosts.run(loser, "test -e /var/snap/maas/common/snap_mode").code == 1
    hosts.ok(loser, hosts.init_region(loser))
    for name in ("box", "other"):
        hosts.serving(name)
    assert hosts.ok("box", f"cat {SECRET}") == hosts.ok("other", f"cat {SECRET}")
    assert hosts.ok("box", f"stat -c '%U:%G %a' {SECRET}") == "root:root 640\n"
    assert (
        hosts.ok("box", "test -e /var/snap/maas/common/log/regiond.log && cat /var/snap/maas/common/snap_mode")
        == "region"
    )


def test_5_status_and_config(hosts: Hosts) -> None:
    hosts.until("box", "maas status && echo all of them", "all of them")
    assert "syslog                           RUNNING" in hosts.ok("box", "maas status")
    hosts.ok("box", "systemctl kill --kill-whom=main --signal=STOP snap.maas.supervisor")
    try:
        assert hosts.run("box", "timeout 2 maas status").code == 124
    finally:
        hosts.ok("box", "systemctl kill --kill-whom=main --signal=CONT snap.maas.supervisor")
    before = event_loops(hosts, "box")
    hosts.ok("box", "maas config --num-workers 1")
    assert event_loops(hosts, "box") == before
    hosts.ok("box", "maas config --num-workers 2")
    hosts.serving("box")
    assert not before & event_loops(hosts, "box")
    assert "mode=region\n" in hosts.ok("box", "maas config --show --parsable")


def test_6_administrator_and_confinement(hosts: Hosts) -> None:
    assert hosts.run("box", "maas apikey --username admin").err == "CommandError: User does not exist.\n"
    hosts.ok("box", "maas createadmin --username admin --password p --email admin@example.com")
    key = hosts.ok("box", "maas apikey --username admin").strip()
    hosts.ok("box", f"maas login admin http://localhost:5240/MAAS {key}")
    assert hosts.ok("box", "ls -a /var/snap/maas/current/root | grep maascli") == ".maascli.db\n"
    assert json.loads(hosts.ok("box", "maas admin users read"))[0]["username"] == "admin"
    hosts.ok("box", "echo x > /root/name; cp /root/name /var/snap/maas/common/name")
    outside = hosts.run("box", "maas admin ipranges create comment@=/root/name")
    assert "Permission denied: '/root/name'" in outside.err
    assert (
        "Permission denied"
        not in hosts.run("box", "maas admin ipranges create comment@=/var/snap/maas/common/name").err
    )


def test_7_a_rack_beside_them_and_its_dhcp_files(hosts: Hosts) -> None:
    secret = hosts.ok("box", f"cat {SECRET}")
    url = f"http://{hosts.lab.host('box').address}:5240/MAAS"
    assert "does not match" not in hosts.ok("other", f"maas init rack --maas-url {url} --secret {secret} --force")
    hosts.until("other", "tail -1 /var/snap/maas/common/log/rackd.log", "Fully connected to all")
    assert hosts.ok("other", "cat /var/snap/maas/common/snap_mode") == "rack"
    hosts.until("other", "ss -tln", ":5248")
    assert ":5240" not in hosts.ok("other", "ss -tln")


def test_8_a_refresh_migrates_copies_data_and_obeys_the_hold(hosts: Hosts) -> None:
    hosts.ok("box", f"sed -i 's/34001,/34002,/' {STORE}")
    assert hosts.ok("box", "snap refresh --hold maas") == 'General refreshes of "maas" held indefinitely\n'
    assert hosts.ok("box", "snap list maas").split()[-1] == "held"
    assert hosts.ok("box", "snap refresh") == "All snaps up to date.\n"
    hosts.ok("box", "snap refresh --unhold maas")
    hosts.ok("box", f'echo "drop view {VIEW}" | su postgres -c "psql -qd maasdb"')
    assert "refreshed" in hosts.ok("box", "snap refresh")
    assert VIEW in hosts.ok("box", "echo '\\dv' | su postgres -c 'psql -Atd maasdb'")
    assert hosts.ok("box", "readlink /var/snap/maas/current /snap/maas/current") == "34002\n34002\n"
    assert hosts.ok("box", "cmp /var/snap/maas/34001/regiond.conf /var/snap/maas/34002/regiond.conf") == ""
    hosts.serving("box")
    held = hosts.run("box", "flock /var/lib/snapd/state.lock snap refresh maas --channel=3.4/candidate")
    assert (held.code, held.err) == (10, 'error: snap "maas" has "refresh-snap" change in progress\n')


def test_9_a_refresh_whose_migration_fails_is_undone(hosts: Hosts) -> None:
    hosts.ok("box", "systemctl stop postgresql")
    failed = hosts.run("box", "snap refresh maas --channel=3.5/stable")
    assert failed.code == 1
    assert 'Run post-refresh hook of "maas" snap' in failed.err
    assert "3.4/stable" in hosts.ok("box", "snap list maas")
    hosts.ok("box", "systemctl start postgresql")
    hosts.serving("box")


def test_a_later_versions_have_pebble_and_tags_in_the_journal(hosts: Hosts) -> None:
    hosts.ok("box", "snap refresh maas --channel=3.5/stable")
    assert hosts.run("box", "systemctl is-active snap.maas.supervisor.service").code != 0
    assert hosts.ok("box", "systemctl is-active snap.maas.pebble.service") == "active\n"
    hosts.serving("box")
    status = hosts.ok("box", "maas status").splitlines()
    assert status[0].split() == ["Service", "Startup", "Current", "Since"]
    assert {line.split()[0] for line in status[1:]} >= {"apiserver", "regiond", "temporal", "temporal-worker"}
    hosts.ok("box", "systemctl stop postgresql; systemctl start postgresql")
    hosts.until("box", "journalctl -q -u snap.maas.pebble -t maas-regiond -o cat", "Database: ")
    hosts.ok("box", f"test $(snap list maas | grep -c {LONG_VERSIONS['3.5']}) = 1")


def test_b_removal_takes_everything_and_bases_stay_until_told(hosts: Hosts) -> None:
    used = hosts.run("other", "snap remove core22")
    assert (used.code, "is being used by snap maas" in used.err) == (1, True)
    hosts.ok("other", "snap remove --purge maas")
    left = hosts.run(
        "other",
        "ls -d /snap/maas /snap/bin/maas /var/snap/maas /etc/systemd/system/*/snap.* /etc/systemd/system/snap.*",
    )
    assert left.out == ""
    assert hosts.run("other", "pgrep -f [m]aas_standin").out == ""
    assert "core22" in hosts.ok("other", "snap list")
    hosts.ok("other", "snap remove core22; snap remove snapd")
    assert hosts.run("other", "snap remove maas") == Result(0, "", 'snap "maas" is not installed\n')
    hosts.ok("box", "DEBIAN_FRONTEND=noninteractive apt-get purge -q -y snapd")
    assert (
        hosts.run(
            "box", "ls -d /snap /var/snap /var/lib/snapd /etc/systemd/system/snap.* /etc/systemd/system/*/snap*"
        ).out
        == ""
    )


def event_loops(hosts: Hosts, host: str) -> set[str]:
    """Names of the event loops of a host."""
    listed = json.loads(hosts.ok(host, "curl -s http://127.0.0.1:5240/MAAS/rpc/"))["eventloops"]
    return {name for name in listed if name.startswith(f"{host}:")}
