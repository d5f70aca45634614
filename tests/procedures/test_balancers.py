"""Two load balancers that share an address: from one to two and back, and nothing that happens to one is long felt.

In order, on one cluster.
"""

from __future__ import annotations

import dataclasses
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.bundle import Bundle
from agent.keepalived import CONF, KeepalivedSettings
from agent.paths import LAUNCHER
from tests.engine.deployment import STACK
from tests.engine.hosts import packages, unit_starts
from tests.engine.poller import Poller
from tests.engine.test_1_up import maas_ha
from tests.engine.test_3_destroy import STAYS
from tests.lab.standin.daemons.polling import becomes, eventually
from tests.procedures.scenario import scenario
from tests.procedures.shared_address import BALANCERS, HOSTS, Balanced, cluster_of

pytestmark = pytest.mark.lab

SINCE_IT_STARTED = (
    "journalctl -q --output=cat _SYSTEMD_INVOCATION_ID=$(systemctl show --value --property=InvocationID keepalived)"
)


def kept(lines: list[str]) -> set[str]:
    """Of a snapshot, what an agent that was here and left may not have changed."""
    return {line for line in lines if not STAYS.match(line)}


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    folder = tmp_path_factory.mktemp("balancers")
    with scenario(folder, "proc-balancers", HOSTS, change=cluster_of("lb1")) as made:
        before = Balanced(made, kept(made.lab.snapshot("lb2")), packages(made.lab, "lb2"))
        made.up()
        yield before


def test_one_becomes_two(balanced: Balanced) -> None:
    assert balanced.made.outputs()["api_url"] == f"http://{balanced.network}.41/MAAS"
    balanced.made.edit(cluster_of(*BALANCERS))
    balanced.made.up()
    assert balanced.made.outputs()["api_url"] == balanced.url
    assert balanced.holder() == "lb1"
    assert balanced.url in balanced.run("region1", "cat /etc/maas/regiond.conf")
    assert f"- {balanced.url}\n" in balanced.run("db1", "cat /etc/maas/rackd.conf")
    assert maas_ha(balanced.made, "verify", STACK).returncode == 0
    balanced.serves()


def test_up_again_changes_nothing(balanced: Balanced) -> None:
    before = unit_starts(balanced.made.lab)
    output = balanced.made.up()
    assert re.search(r"\n +\d+ unchanged\n", output), output
    assert not re.search(r"updated|created|deleted", output), output
    assert unit_starts(balanced.made.lab) == before


def test_the_password_is_roots_alone(balanced: Balanced) -> None:
    password = balanced.made.secrets()["cluster-vrrp-password"]
    for host in BALANCERS:
        root = Path(f"/proc/{balanced.made.lab.leader_pid(host)}/root")
        path = root / CONF.lstrip("/")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert password in path.read_text()
        assert password not in balanced.run(host, "journalctl -q --output=cat")


@pytest.mark.parametrize("host", BALANCERS)
def test_statistics_are_for_the_host_alone(balanced: Balanced, host: str) -> None:
    assert balanced.run(host, "stat -c '%a %U' /run/haproxy/admin.sock") == "600 root\n"
    assert "haproxy_server_status" in balanced.run(host, "curl -sf http://127.0.0.1:8404/metrics")
    sockets = [line.split()[1] for line in balanced.run(host, "cat /proc/net/tcp /proc/net/tcp6").splitlines()]
    assert {own for own in sockets if own.endswith(":20D4")} == {"0100007F:20D4"}


def test_reloads_drop_no_request(balanced: Balanced) -> None:
    holder = balanced.holder()
    with balanced.loses_at_most(0) as clients:
        for unit in ("haproxy", "keepalived") * 5:
            balanced.run(holder, f"systemctl reload {unit}")
            balanced.ask_more(clients)
    assert balanced.holders() == [holder]


def test_a_reload_leaves_open_connections(balanced: Balanced) -> None:
    """A request whose first half came before the reload is answered by the worker that has it."""
    workers = "pgrep --count --exact haproxy"
    with socket.create_connection((balanced.virtual, 80), timeout=90) as connection:
        connection.sendall(b"GET /MAAS/api/2.0/version/ HTTP/1.0\r\n")
        before = int(balanced.run(balanced.holder(), workers))
        balanced.run(balanced.holder(), "systemctl reload haproxy")
        eventually(lambda: int(balanced.run(balanced.holder(), workers)) > before, "the next worker")
        connection.sendall(b"Host: maas\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"200"


def test_an_update_reaches_one_after_the_other(balanced: Balanced) -> None:
    """Another order is another file on both hosts."""

    def reloaded(host: str) -> float:
        log = balanced.run(host, "journalctl -q -b -u keepalived -o short-unix | grep 'Reload complete' | tail -n 1")
        return float(log.split()[0])

    holder = balanced.holder()
    balanced.made.edit(cluster_of("lb2", "lb1"))
    with balanced.loses_at_most(0):
        balanced.made.up()
    assert reloaded("lb2") < reloaded("lb1")
    assert balanced.holders() == [holder]


def test_haproxy_stopped(balanced: Balanced) -> None:
    holder, other = balanced.holder(), balanced.other()
    with balanced.loses_at_most(400):
        balanced.run(holder, "systemctl stop haproxy")
        becomes(balanced.holders, [other], "the other balancer has it")
    takings = balanced.takings(holder)
    balanced.run(holder, "systemctl start haproxy")
    ready = "journalctl -q -b -u keepalived --output=cat | tail -n 1"
    eventually(lambda: "BACKUP" in balanced.run(holder, ready), "the former holder is ready again")
    balanced.serves()
    assert balanced.holders() == [other]
    assert balanced.takings(holder) == takings


def test_haproxy_killed(balanced: Balanced) -> None:
    """systemd has it back before its balancer would lose the address."""
    holder = balanced.holder()
    with balanced.loses_at_most(300):
        balanced.killed(holder, "haproxy")
    assert balanced.holders() == [holder]


def test_haproxy_hung(balanced: Balanced) -> None:
    holder, other = balanced.holder(), balanced.other()
    with balanced.loses_at_most(40):
        balanced.run(holder, "systemctl kill --signal=STOP haproxy")
        becomes(balanced.holders, [other], "the other balancer has it")
    balanced.run(holder, "systemctl kill --signal=CONT haproxy")
    balanced.serves()
    assert balanced.holders() == [other]


def test_keepalived_killed(balanced: Balanced) -> None:
    """It leaves the address on its host, where the one that systemd starts takes it off."""
    holder = balanced.holder()
    with balanced.loses_at_most(40):
        balanced.killed(holder, "keepalived")
        eventually(lambda: "BACKUP STATE" in balanced.run(holder, SINCE_IT_STARTED), "it has begun anew")
        eventually(lambda: len(balanced.holders()) == 1, "one holder")
    assert maas_ha(balanced.made, "verify", STACK).returncode == 0


def test_the_address_is_taken_off(balanced: Balanced) -> None:
    """As a network manager does that reads its files again: it comes back, or the other host takes it."""
    balanced.run(balanced.holder(), f"ip address del {balanced.virtual}/24 dev host0")
    becomes(lambda: len(balanced.holders()), 1, "somebody has it again")
    balanced.serves()


def test_power_cut_and_back(balanced: Balanced) -> None:
    holder, other = balanced.holder(), balanced.other()
    with balanced.loses_at_most(40):
        balanced.made.lab.poweroff(holder)
        becomes(balanced.holders, [other], "the other balancer has it")
    with balanced.loses_at_most(0):
        balanced.made.lab.poweron(holder)
        ready = "journalctl -q -b -u keepalived --output=cat | tail -n 1"
        eventually(lambda: "BACKUP" in balanced.run(holder, ready), "the former holder is ready again")
    assert balanced.holders() == [other]
    assert balanced.takings(holder) == 0


def test_another_machine_with_the_address_is_found(balanced: Balanced) -> None:
    """By ARP: `verify` tells of it, and a balancer that was to take such an address is left as it is."""
    lab, foreign = balanced.made.lab, f"{balanced.network}.39"
    balanced.run("region1", f"ip address add {balanced.virtual}/32 dev host0")
    try:
        done = maas_ha(balanced.made, "verify", STACK)
    finally:
        balanced.run("region1", f"ip address del {balanced.virtual}/32 dev host0")
    assert done.returncode != 0
    assert f"have {balanced.virtual} at once" in done.stdout
    known = Bundle.from_json(balanced.made.bundle("lb1-keepalived-apply"))
    assert isinstance(known.settings, KeepalivedSettings)
    moved = dataclasses.replace(known, settings=dataclasses.replace(known.settings, virtual_address=foreign))
    balanced.run("region1", f"ip address add {foreign}/32 dev host0")
    try:
        refused = lab.exec("lb1", LAUNCHER, "apply", input=moved.to_json(), check=False)
    finally:
        balanced.run("region1", f"ip address del {foreign}/32 dev host0")
    assert refused.returncode == 1
    assert f"another machine in the network has {foreign} already" in refused.stderr


def test_a_file_that_keepalived_refuses(balanced: Balanced) -> None:
    known = Bundle.from_json(balanced.made.bundle("lb1-keepalived-apply"))
    files = tuple(
        dataclasses.replace(file, content=file.content.replace("nopreempt\n", "nopreemt\n")) for file in known.files
    )
    bad = dataclasses.replace(known, files=files)
    before = unit_starts(balanced.made.lab)
    done = balanced.made.lab.exec("lb1", LAUNCHER, "apply", input=bad.to_json(), check=False)
    assert done.returncode == 1
    assert "Unknown keyword 'nopreemt'" in done.stderr
    assert known.secrets["vrrp_password"] not in done.stderr
    assert "nopreempt" in balanced.run("lb1", f"cat {CONF}")
    assert unit_starts(balanced.made.lab) == before


def test_two_become_one(balanced: Balanced) -> None:
    balanced.made.edit(cluster_of("lb1"))
    balanced.made.up()
    assert balanced.made.outputs()["api_url"] == f"http://{balanced.network}.41/MAAS"
    assert balanced.holders() == []
    assert balanced.run("lb1", f"test -e {CONF}; echo $?") == "1\n"
    assert balanced.run("lb1", "systemctl is-active haproxy keepalived", check=False) == "active\ninactive\n"
    assert maas_ha(balanced.made, "verify", STACK).returncode == 0
    with Poller(f"http://{balanced.network}.41/MAAS") as poller:
        eventually(lambda: poller.tried > 3, "requests")
    assert poller.failed == []


def test_the_second_host_is_as_it_was(balanced: Balanced) -> None:
    after = kept(balanced.made.lab.snapshot("lb2"))
    assert (sorted(after - balanced.pristine), sorted(balanced.pristine - after)) == ([], []), "new, then gone"
    assert packages(balanced.made.lab, "lb2") == balanced.packages
