"""The packages on real hosts: what installing, starting and purging them does (maas-facts §10, §1.4, §0a)."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lab.cluster import Lab
from tests.lab.traces import free_network

pytestmark = pytest.mark.lab

SECRET = "0123456789abcdef0123456789abcdef"
INSTALL = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
REGION_COMPANIONS = (
    "maas-apiserver",
    "maas-http",
    "maas-proxy",
    "maas-syslog",
    "maas-temporal",
    "maas-temporal-worker",
    "named",
)
MAY_STAY = (
    "/etc/group",
    "/etc/gshadow",
    "/etc/passwd",
    "/etc/shadow",
    "/var/lib/dpkg/",
    "/var/lib/maas ",
    "/var/lib/maas/",
    "/var/lib/ucf/",
    "/var/log/",
    "/var/www",
    "/root/",
)
"""What a purge leaves: users, MAAS's state, and what Debian's own packages leave."""
DHCPD_CONF = """subnet {network} netmask 255.255.255.0 {{
}}
"""


@dataclass
class Hosts:
    """A region with a database of its own, and a rack; with what they had before."""

    lab: Lab
    before: dict[str, set[str]]

    def run(self, host: str, command: str, check: bool = True, stdin: str = "") -> str:
        """Output of a shell command on the host."""
        return self.lab.exec(host, "sh", "-c", command, input=stdin, check=check, timeout=180).stdout

    def state(self, host: str, unit: str) -> str:
        """systemd's word for the unit."""
        return self.run(host, f"systemctl is-active {unit}", check=False).strip()

    def until(self, host: str, command: str, expected: str, seconds: float = 60) -> None:
        """Wait until the command prints what is expected."""
        deadline = time.monotonic() + seconds
        while (seen := self.run(host, command, check=False).strip()) != expected:
            assert time.monotonic() < deadline, f"{command}: {seen!r} instead of {expected!r}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Both installed, the rack by preseeding and under a policy that forbids to start services."""
    lab = Lab("pkgs", tmp_path_factory.mktemp("pkgs"))
    try:
        lab.up(free_network(), (("region", 21), ("rack", 31)), "3.7")
        found = Hosts(lab, {name: set(lab.snapshot(name)) for name in ("region", "rack")})
        url = f"http://{lab.host('region').address}:5240/MAAS"
        preseed = (
            f"maas-rack-controller maas-rack-controller/maas-url string {url}\n"
            f"maas-rack-controller maas-rack-controller/shared-secret password {SECRET}\n"
        )
        found.run("rack", "debconf-set-selections", stdin=preseed)
        found.run("rack", "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d")
        with ThreadPoolExecutor() as pool:
            installed = [
                pool.submit(found.run, "region", f"{INSTALL} maas-region-api"),
                pool.submit(found.run, "rack", f"{INSTALL} maas-rack-controller; rm /usr/sbin/policy-rc.d"),
            ]
        for one in installed:
            one.result()
        yield found
    finally:
        lab.down()


def test_region_units_are_enabled_but_not_started(hosts: Hosts) -> None:
    for unit in ("maas-regiond", "maas-http", "maas-apiserver", "maas-temporal", "maas-temporal-worker"):
        assert hosts.run("region", f"systemctl is-enabled {unit}").strip() == "enabled"
        assert hosts.state("region", unit) == "inactive"


def test_region_files_belong_to_maas(hosts: Hosts) -> None:
    stat = "stat -c '%U:%G %a' /etc/maas /etc/maas/regiond.conf /var/lib/maas"
    assert hosts.run("region", stat).split("\n")[:3] == ["maas:maas 755", "maas:maas 640", "maas:maas 755"]


def test_the_region_brings_no_database_server(hosts: Hosts) -> None:
    installed = hosts.run("region", "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n'")
    assert [line for line in installed.splitlines() if line.startswith("ii  postgresql")] == []


def test_nginx_of_its_own_is_off_and_bind_reads_what_maas_writes(hosts: Hosts) -> None:
    assert hosts.run("region", "systemctl is-enabled nginx", check=False).strip() == "disabled"
    assert hosts.state("region", "nginx") == "inactive"
    assert hosts.state("region", "named") == "active"
    hosts.run("region", "named-checkconf")
    assert "/etc/bind/maas/named.conf.options.inside.maas" in hosts.run("region", "cat /etc/bind/named.conf.options")


def test_the_sudoers_file_is_valid_and_lets_maas_start_companions_only(hosts: Hosts) -> None:
    hosts.run("region", "visudo -cf /etc/sudoers.d/99-maas-sudoers")
    allowed = hosts.run("region", "sudo -l -U maas")
    assert "/usr/bin/systemctl start maas-http" in allowed
    assert "ssh" not in allowed


def test_rackd_starts_at_once_whatever_the_policy_with_what_was_preseeded(hosts: Hosts) -> None:
    assert hosts.state("rack", "maas-rackd") == "active"
    assert hosts.run("rack", "systemctl is-enabled maas-rackd").strip() == "enabled"
    assert hosts.state("rack", "maas-agent") == "active"
    assert hosts.run("rack", "cat /var/lib/maas/secret") == SECRET
    url = f"http://{hosts.lab.host('region').address}:5240/MAAS"
    assert hosts.run("rack", "cat /etc/maas/rackd.conf") == f"maas_url:\n- {url}\n"
    modes = hosts.run("rack", "stat -c '%U:%G %a' /etc/maas/rackd.conf /var/lib/maas/secret").split("\n")[:2]
    assert modes == ["root:maas 640", "root:maas 640"]


def test_no_unit_failed(hosts: Hosts) -> None:
    for name in ("region", "rack"):
        assert hosts.run(name, "systemctl --failed --no-legend") == ""


def test_rackd_starts_over_a_leftover_socket(hosts: Hosts) -> None:
    hosts.run("rack", "systemctl stop maas-rackd; touch /var/lib/maas/dhcpd.sock; systemctl start maas-rackd")
    hosts.until("rack", "test -f /var/lib/maas/dhcpd.sock || echo gone", "gone")
    assert hosts.state("rack", "maas-rackd") == "active"


def test_dhcpd_runs_as_its_own_user_and_stops_with_rackd(hosts: Hosts) -> None:
    network = str(hosts.lab.host("rack").address).rsplit(".", 1)[0] + ".0"
    hosts.run("rack", "touch /var/lib/maas/dhcpd.conf; systemctl restart maas-rackd")
    hosts.until("rack", "test -e /var/lib/maas/dhcpd.conf || echo gone", "gone")  # what rackd does as it starts
    hosts.run("rack", "cat > /var/lib/maas/dhcpd.conf", stdin=DHCPD_CONF.format(network=network))
    hosts.run("rack", "echo host0 > /var/lib/maas/dhcpd-interfaces; systemctl start maas-dhcpd")
    hosts.until("rack", "ps -o user= -C dhcpd", "dhcpd")
    assert hosts.run("rack", "stat -c %U /var/lib/maas/dhcp/dhcpd.leases").strip() == "dhcpd"
    hosts.run("rack", "systemctl stop maas-rackd")
    hosts.until("rack", "systemctl is-active maas-dhcpd", "inactive")
    hosts.run("rack", "rm /var/lib/maas/dhcpd.conf /var/lib/maas/dhcpd-interfaces; systemctl start maas-rackd")


@pytest.fixture(scope="module")
def region(hosts: Hosts) -> Hosts:
    """The region with a database and an administrator, started."""
    hosts.run("region", f"{INSTALL} postgresql")
    sql = ["CREATE ROLE maas LOGIN PASSWORD 'pw';", " DATABASE maasdb OWNER maas;"]
    hosts.run("region", f'su postgres -c "cd /; psql -c \\"{sql[0]}\\" -c \\"CREATE{sql[1]}\\""')
    address = hosts.lab.host("region").address
    hosts.run(
        "region",
        f"maas-region local_config_set --maas-url http://{address}:5240/MAAS --database-host 127.0.0.1"
        " --database-pass pw --num-workers 2",
    )
    return hosts


def test_an_administrator_before_regiond_ever_ran(region: Hosts) -> None:
    assert "Applying " in region.run("region", "maas-region dbupgrade")
    assert "No migrations to apply." in region.run("region", "maas-region dbupgrade")
    region.run("region", "setsid -w maas createadmin --username admin --email admin@example.com", stdin="pw\npw\n\n")
    again = "maas createadmin --username admin --password pw --email admin@example.com 2>&1; echo $?"
    assert region.run("region", again) == (
        "AlreadyExistingUser: A user with the email admin@example.com already exists.\n1\n"
    )
    assert region.run("region", "maas-region apikey --username nobody 2>&1; echo $?") == (
        "CommandError: User does not exist.\n1\n"
    )


def test_regiond_alone_brings_up_the_rest(region: Hosts) -> None:
    region.run("region", "systemctl start maas-regiond")
    region.until("region", "curl -so /dev/null -w '%{http_code}' http://127.0.0.1:5240/MAAS/rpc/", "200")
    for unit in REGION_COMPANIONS:
        region.until("region", f"systemctl is-active {unit}", "active")
    ports = "ss -Hltn | grep -oE ':(5240|5242|5250|5251|5271) ' | sort -u | tr -d ': \\n'"
    region.until("region", ports, "52405242525052515271")


def test_the_command_line_client_reads_the_api(region: Hosts) -> None:
    login = "maas apikey --username admin | head -1 | maas login admin http://127.0.0.1:5240/MAAS -"
    region.run("region", login)
    (controller,) = json.loads(region.run("region", "maas admin region-controllers read"))
    assert controller["hostname"] == "region"
    assert region.run("region", "maas admin rack-controller delete nobody > /dev/null; echo $?") == "2\n"
    wrong = region.run("region", "maas login other http://127.0.0.1:5240/MAAS a:b:c 2>&1; echo $?")
    assert wrong == "The MAAS server rejected your API key.\n1\n"


def test_without_regiond_nginx_stays_and_says_502(region: Hosts) -> None:
    region.run("region", "systemctl stop maas-regiond")
    status = "curl -so /dev/null -w '%{http_code}' http://127.0.0.1:5240/MAAS/rpc/"
    region.until("region", status, "502")
    assert region.state("region", "maas-http") == "active"
    region.run("region", "systemctl start maas-regiond")
    region.until("region", status, "200")


def test_a_rack_on_the_regions_host_takes_its_url_and_secret(region: Hosts) -> None:
    before = region.run("region", "cat /var/lib/maas/maas_id /var/lib/maas/secret")
    region.run("region", f"{INSTALL} maas-rack-controller")
    url = f"http://{region.lab.host('region').address}:5240/MAAS"
    assert region.run("region", "cat /etc/maas/rackd.conf") == f"maas_url:\n- {url}\n"
    assert region.run("region", "cat /var/lib/maas/maas_id /var/lib/maas/secret") == before
    region.until("region", "ss -Hltn | grep -oE ':(5240|5248) ' | sort -u | tr -d ': \\n'", "52405248")
    assert region.state("region", "maas-rackd") == "active"


def test_a_purge_of_the_region_leaves_its_state_and_a_valid_bind(region: Hosts) -> None:
    region.run("region", "DEBIAN_FRONTEND=noninteractive apt-get purge -q -y 'maas-*'")
    paths = {line.split()[0] for line in set(region.lab.snapshot("region")) - region.before["region"]}
    assert {path for path in paths if "maas" in path and not path.startswith(("/var/lib/maas", "/root/"))} == set()
    assert "/var/lib/maas/secret" in paths
    region.run("region", "named-checkconf")
    assert region.run("region", "systemctl list-unit-files --no-legend 'maas*'", check=False) == ""
    assert region.run("region", "systemctl --failed --no-legend") == ""


def test_a_purge_of_the_rack_with_what_it_brought_leaves_its_state_alone(hosts: Hosts) -> None:
    purge = "DEBIAN_FRONTEND=noninteractive apt-get purge -q -y --autoremove"
    hosts.run("rack", f"{purge} maas-rack-controller maas-common")
    left = set(hosts.lab.snapshot("rack")) - hosts.before["rack"]
    assert sorted(line for line in left if not line.startswith(MAY_STAY)) == []
    assert hosts.run("rack", "systemctl list-unit-files --no-legend 'maas*'", check=False) == ""
    assert hosts.run("rack", "systemctl --failed --no-legend") == ""
