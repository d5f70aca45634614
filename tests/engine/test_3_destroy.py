"""Another machine is refused, a dead one can be forgotten, and `destroy` leaves the hosts as they were."""

from __future__ import annotations

import re

import pytest

from lab.cluster import Lab
from tests.engine.conftest import Snapshots
from tests.engine.deployment import STACK, Deployment
from tests.engine.hosts import packages, sql
from tests.engine.test_1_up import maas_ha, workers

pytestmark = pytest.mark.lab

STAYS = re.compile(
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-? "  # system users stay, by Debian's policy
    r"|/etc/(ld\.so\.cache|machine-id|resolv\.conf) "
    r"|/var/lib/(dpkg|ucf)/"  # dpkg's and ucf's notes
    r"|/var/www[ /]"  # nginx's example page
)
"""What packages leave behind by design, or what changes by itself."""


def test_another_machine_is_refused(deployment: Deployment, lab: Lab) -> None:
    """region1's host key is another one: whatever answers there is not touched."""
    deployment.up()
    keys = "/etc/ssh/ssh_host_ed25519_key"
    lab.exec(
        "region1", "sh", "-c", f"cp -a {keys} {keys}.old && cp -a {keys}.pub {keys}.pub.old && rm {keys} {keys}.pub"
    )
    lab.exec("region1", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys)
    file = deployment.read()
    try:
        deployment.edit(workers("region1", 9))
        output = deployment.up_fails()
    finally:
        lab.exec("region1", "sh", "-c", f"mv {keys}.old {keys}; mv {keys}.pub.old {keys}.pub")
        deployment.write(file)
    assert "region1-region-apply" in output
    assert "host key mismatch" in output
    deployment.up()


def test_a_dead_host_is_named_and_can_be_forgotten(deployment: Deployment, lab: Lab) -> None:
    lab.poweroff("rack2")
    output = deployment.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)
    assert "rack2 deleting" in output
    assert "no route to host" in output.lower()
    done = maas_ha(deployment, "forget", STACK, "rack2")
    assert done.returncode == 0, done.stderr
    assert "rack2-bootstrap" in done.stdout
    deployment.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    assert [item for item in deployment.resources() if item.get("custom")] == []


@pytest.mark.parametrize("host", ["region1", "region2", "rack1", "lb1"])
def test_a_host_has_what_it_had(lab: Lab, pristine: Snapshots, host: str) -> None:
    def kept(lines: list[str]) -> set[str]:
        return {line for line in lines if not STAYS.match(line)}

    before, after = kept(pristine[host]), kept(lab.snapshot(host))
    assert (sorted(after - before), sorted(before - after)) == ([], []), "new, then gone"


def test_packages_are_those_that_were_there(lab: Lab, packages_before: dict[str, set[str]]) -> None:
    for host in ("region1", "region2", "rack1", "lb1"):
        assert packages(lab, host) == packages_before[host], host
    assert packages_before["db1"] < packages(lab, "db1")


def test_the_database_is_kept(lab: Lab) -> None:
    assert sql(lab, "select count(*) from auth_user where username = 'admin'") == ["1"]


def test_maas_knows_no_rack_any_more_but_the_dead_one(lab: Lab) -> None:
    """The last region can't be deleted through MAAS, for nobody is left to ask: its row stays with the database."""
    assert sql(lab, "select hostname from maasserver_node where node_type in (2, 3) order by 1") == ["rack2", "region1"]
