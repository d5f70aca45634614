"""BMC load balancing: power actions go on when a rack is stopped or dies (maas-facts §12.8)."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from tests.engine.deployment import STACK, Cluster, Deployment
from tests.lab.standin.daemons.client import Answer, Client
from tests.procedures.chassis import Chassis
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "rack1": 31, "rack2": 32, "lb1": 41, "bmc1": 51}
RACKS = {"rack1": "198.19.126.31", "rack2": "198.19.126.32"}
BMC_NETWORK, BMC = "198.19.126.0/24", "198.19.126.51"
DEADLINE = 300.0


def two_racks_and_a_bmc_network(cluster: Cluster) -> None:
    hosts = cast("dict[str, dict[str, object]]", cluster["hosts"])
    del hosts["bmc1"]
    cluster["regions"] = {"region1": {"workers": 2}}
    cluster["dhcp"] = []
    for name, address in RACKS.items():
        hosts[name]["also"] = [address]
    cluster["bmc"] = [{"subnet": BMC_NETWORK, "racks": list(RACKS)}]


@dataclass(frozen=True)
class Site:
    """The deployment, the API through the balancer, and a machine of MAAS's with its real chassis."""

    deployment: Deployment
    chassis: Chassis
    maas: Client
    system_id: str

    def power(self, action: str) -> Answer:
        """Through MAAS: `on` or `off`."""
        return self.maas.post(f"machines/{self.system_id}/?op=power_{action}")

    def switches(self, action: str) -> list[str]:
        """Switch until MAAS did it, and the BMC says so; what MAAS refused with before."""
        refused: list[str] = []

        def done() -> bool:
            answer = self.power(action)
            if answer.status != 200:
                refused.append(answer.text)
            return answer.status == 200

        eventually(done, f"power {action} through MAAS", refused)
        assert self.chassis.asked() == action
        return refused

    def done_by(self) -> Counter[str]:
        """How often each rack has switched the machine; a rack that is off isn't asked."""
        lab = self.deployment.lab
        found: Counter[str] = Counter()
        for status in lab.status():
            if status.name in RACKS and status.leader_pid is not None:
                said = lab.exec(status.name, "cat", "/var/log/maas/rackd.log").stdout
                found[status.name] = said.count("Changed power state")
        return found

    def who(self, action: str) -> str:
        """Switch at once; the rack that did it."""
        before = self.done_by()
        assert self.power(action).status == 200
        assert self.chassis.asked() == action
        (rack,) = self.done_by() - before
        return rack

    def sees(self, rack: str) -> str:
        """What MAAS says of a rack's rackd."""
        return (self.maas.service(rack) or ("unknown", ""))[0]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("bmc")
    with scenario(folder, "bmc", HOSTS, change=two_racks_and_a_bmc_network) as made:
        yield made


@pytest.fixture(scope="module")
def chassis(deployment: Deployment) -> Chassis:
    made = Chassis(deployment.lab, "bmc1", BMC, 24)
    made.start()
    eventually(lambda: made.asked() == "off", "the BMC answers")
    return made


def test_one_rack_is_refused_before_anything_is_touched(deployment: Deployment) -> None:
    deployment.edit(lambda cluster: cluster.update(bmc=[{"subnet": BMC_NETWORK, "racks": ["rack1"]}]))
    said = deployment.pulumi("preview", "--stack", STACK, check=False)
    assert f"bmc[0].racks: fewer than two racks reach {BMC_NETWORK}" in said
    assert "nothing was touched" in said
    deployment.edit(lambda cluster: cluster.update(bmc=[{"subnet": BMC_NETWORK, "racks": list(RACKS)}]))


def test_a_rack_without_an_address_there_is_refused(deployment: Deployment) -> None:
    """Its host says so before rackd is configured; given one, the next update goes on from there."""
    add_address(deployment, "rack1")
    said = " ".join(deployment.up_fails().split())
    told = (
        f"this host has no address in the BMC network {BMC_NETWORK}; it has {deployment.network[32]}: "
        "MAAS sends power actions"
    )
    assert re.search(f"rack2: .{{,60}}{re.escape(told)}", said), said
    assert "give one of its interfaces an address there" in said
    assert deployment.lab.exec("rack2", "test", "-e", "/var/lib/maas/secret", check=False).returncode != 0
    add_address(deployment, "rack2")
    deployment.up()
    assert "unchanged" in deployment.up()


@pytest.fixture(scope="module")
def site(deployment: Deployment, chassis: Chassis) -> Site:
    """Once the cluster is up."""
    outputs = deployment.outputs()
    maas = Client(str(outputs["api_url"]), str(outputs["api_key"]))
    made = maas.post(
        "machines/",
        hostname="node1",
        architecture="amd64/generic",
        mac_addresses="52:54:00:12:34:56",
        power_type="ipmi",
        power_parameters_power_address=chassis.address,
        power_parameters_power_user=chassis.user,
        power_parameters_power_pass=chassis.password,
    )
    assert made.status == 200, made.text
    return Site(deployment, chassis, maas, made.json["system_id"])


def test_maas_switches_the_chassis_by_either_rack(site: Site) -> None:
    for rack, address in RACKS.items():
        assert address in site.maas.racks()[rack]["ip_addresses"]
    used: set[str] = set()
    for action in ("on", "off") * 20:
        used.add(site.who(action))
        if used == set(RACKS) and action == "off":
            break
    assert used == set(RACKS)


def test_power_goes_on_when_rackd_is_stopped(site: Site) -> None:
    lab = site.deployment.lab
    for stopped, other in (("rack1", "rack2"), ("rack2", "rack1")):
        lab.exec(stopped, "systemctl", "stop", "maas-rackd.service")
        eventually(lambda rack=stopped: site.sees(rack) == "dead", f"MAAS sees that {stopped} is gone")  # type: ignore[misc]
        assert [site.who(action) for action in ("on", "off")] == [other, other]
        lab.exec(stopped, "systemctl", "start", "maas-rackd.service")
        eventually(lambda rack=stopped: site.sees(rack) == "running", f"{stopped} is back")  # type: ignore[misc]


def test_power_goes_on_when_a_rack_dies(site: Site) -> None:
    """Up to 3.6 MAAS may still choose the dead one until its pings fail: an action is refused, the next one works."""
    lab = site.deployment.lab
    lab.exec("rack1", "ip", "link", "set", "host0", "down")  # so that nothing says goodbye for it
    lab.poweroff("rack1")
    refused = site.switches("on")
    assert not [text for text in refused if not text.startswith("Unable to connect to rack controller rack1 ")]
    eventually(lambda: site.sees("rack1") == "dead", "MAAS sees that rack1 is gone")
    assert [site.who(action) for action in ("off", "on", "off", "on", "off")] == ["rack2"] * 5
    assert site.maas.get(f"machines/{site.system_id}/?op=query_power_state").json == {"state": "off"}


def add_address(deployment: Deployment, rack: str) -> None:
    """What the operator does on the host: a second address on its interface."""
    deployment.lab.exec(rack, "ip", "address", "add", f"{RACKS[rack]}/24", "dev", "host0")


def eventually(condition: Callable[[], bool], what: str, told: object = "") -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE:.0f} s {told}"
        time.sleep(0.2)
