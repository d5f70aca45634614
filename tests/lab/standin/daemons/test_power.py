"""Power of machines: which rack is asked, and what becomes of a rack or a BMC that is off (maas-facts §12.8, §4.8)."""

import os
import signal
import subprocess
from dataclasses import dataclass

import pytest

from .client import Answer, Client
from .cluster import Cluster
from .machine import Machine, stop
from .network import ip
from .polling import becomes, eventually

pytestmark = pytest.mark.lab

BMC, BMC_NETWORK, MAC = "203.0.113.9", "203.0.113.{}/24", "52:54:00:12:34:56"
PASSWORD = "chassis-password"
# Stands for FreeIPMI's client: the tests under tests/procedures use that one.
IPMIPOWER = """#!/bin/sh
echo "$@" >>"{folder}/calls"
for word; do case $word in
--config-file=*) cat "${{word#*=}}" >"{folder}/configuration" ;;
--stat) echo "{bmc}: on"; exit ;;
--on | --off) [ -e "{folder}/broken" ] && {{ echo "{bmc}: connection timeout"; exit 1; }}; echo "{bmc}: ok" ;;
esac; done
"""


@dataclass
class Site:
    """One region and two racks, each with an IPMI client of its own that writes down how it was called."""

    cluster: Cluster
    region: Machine
    admin: Client
    system_id: str = ""

    def rack(self, name: str) -> Machine:
        """A running rack."""
        machine = self.cluster.machine(name)
        program = machine.paths.root / "ipmipower"
        program.write_text(IPMIPOWER.format(folder=machine.paths.root, bmc=BMC))
        program.chmod(0o755)
        machine.configure(ipmipower=str(program))
        return self.cluster.started_rack(name, self.region)

    def in_bmc_network(self, rack: Machine, number: int) -> None:
        """Give the rack an address of the BMC's network, and wait until MAAS has seen it."""
        address = BMC_NETWORK.format(number)
        ip("-n", rack.namespace, "addr", "add", address, "dev", "eth0")
        eventually(
            lambda: address.partition("/")[0] in self.admin.racks()[rack.name]["ip_addresses"],
            f"MAAS sees {address} on {rack.name}",
        )

    def power(self, action: str) -> Answer:
        """`?op=power_ACTION`."""
        return self.admin.post(f"machines/{self.system_id}/?op=power_{action}")


@pytest.fixture
def site(cluster: Cluster) -> Site:
    """The region and a machine."""
    region = cluster.started_region("rg1", workers=1)
    made = Site(cluster, region, cluster.admin(region))
    made.system_id = new_machine(made.admin).json["system_id"]
    return made


def new_machine(admin: Client, **changes: str) -> Answer:
    """POST machines/."""
    form = {
        "hostname": "node1",
        "architecture": "amd64/generic",
        "mac_addresses": MAC,
        "power_type": "ipmi",
        "power_parameters_power_address": BMC,
        "power_parameters_power_user": "maas",
        "power_parameters_power_pass": PASSWORD,
    }
    return admin.post("machines/", **(form | changes))


def calls(rack: Machine) -> list[str]:
    """How the rack's IPMI client was called."""
    path = rack.paths.root / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_machines(site: Site) -> None:
    """A form as strict as MAAS's; the password only for administrators who ask for it."""
    shown = site.admin.get("machines/").json
    assert [(m["hostname"], m["power_type"], m["power_state"]) for m in shown] == [("node1", "ipmi", "unknown")]
    one = site.admin.get(f"machines/{site.system_id}/")
    assert one.json == shown[0]
    assert PASSWORD not in one.text
    assert site.admin.get(f"machines/{site.system_id}/?op=power_parameters").json["power_pass"] == PASSWORD
    assert new_machine(site.admin).json.keys() == {"hostname", "mac_addresses"}
    refused = new_machine(site.admin, hostname="n2", mac_addresses="x", power_type="moonshot", architecture="")
    assert refused.status == 400
    assert refused.json == {
        "architecture": ["This field is required."],
        "mac_addresses": ["'x' is not a valid MAC address."],
        "power_type": ["Select a valid choice. moonshot is not one of the available choices."],
    }
    assert site.admin.get("machines/nobody/").status == 404
    assert site.admin.delete(f"machines/{site.system_id}/").status == 204
    assert site.admin.get("machines/").json == []
    assert site.admin.racks() == {}


def test_the_rack_in_the_bmcs_subnet_is_asked(site: Site) -> None:
    """The other one only when that is gone; the password is never an argument."""
    near, far = site.rack("rk1"), site.rack("rk2")
    site.in_bmc_network(near, 7)
    for action, state in (("on", "on"), ("off", "off")):
        answer = site.power(action)
        assert (answer.status, answer.json["power_state"]) == (200, state)
    assert site.admin.get(f"machines/{site.system_id}/?op=query_power_state").json == {"state": "on"}
    assert len(calls(near)) == 3
    assert PASSWORD not in "".join(calls(near))
    assert (near.paths.root / "configuration").read_text() == f"username maas\npassword {PASSWORD}\n"
    near.logged("rackd", f"Changed power state (on) of node: node1 ({site.system_id}) through its BMC {BMC}")
    assert calls(far) == []
    assert stop(near.processes[-1]) == 0
    becomes(lambda: site.power("on").status, 200, "the other rack is asked")
    assert len(calls(far)) == 1


def test_no_rack_at_all(site: Site) -> None:
    """§12.8: MAAS's text."""
    answer = site.power("on")
    assert (answer.status, answer.text) == (503, "No rack controllers can access the BMC of node: node1")


def test_a_bmc_that_does_not_answer(site: Site) -> None:
    """The client's own words come back, and the state stays."""
    rack = site.rack("rk1")
    (rack.paths.root / "broken").touch()
    answer = site.power("off")
    text = "Power off for the node failed: Failed talking to node's BMC: connection timeout"
    assert (answer.status, answer.text) == (503, text)
    assert site.admin.get(f"machines/{site.system_id}/").json["power_state"] == "unknown"


@pytest.mark.parametrize(("minor", "succeeds"), [((3, 4), False), ((3, 7), True)])
def test_a_rack_that_died_without_a_word(cluster: Cluster, minor: tuple[int, int], succeeds: bool) -> None:
    """§12.8: until its pings fail it may be chosen; another rack is asked in its place only from 3.7.0 on."""
    region = cluster.region("rg1", workers=1)
    region.configure(power_wait_s=2.0, ping_s=60.0)
    region.claim(minor)
    region.regiond()
    cluster.wait_listed(region, 1)
    site = Site(cluster, region, cluster.admin(region))
    site.system_id = new_machine(site.admin).json["system_id"]
    racks = [site.rack("rk1"), site.rack("rk2")]
    process = racks[0].processes[-1]
    for number, rack in enumerate(racks):
        site.in_bmc_network(rack, 7 + number)
    silence(process)
    answers = [site.power("on") for _ in range(16)]
    text = f"Unable to connect to rack controller rk1 ({racks[0].paths.maas_id.read_text()}); no connections available."
    assert {(a.status, "" if a.status == 200 else a.text) for a in answers} == (
        {(200, "")} if succeeds else {(200, ""), (503, text)}
    )


def test_the_agent_knows_one_region_only(cluster: Cluster) -> None:
    """§4.8: from 3.5 on power needs Temporal on the host of the first URL; no other is tried."""
    region = cluster.started_region("rg1", workers=1)
    site = Site(cluster, region, cluster.admin(region))
    site.system_id = new_machine(site.admin).json["system_id"]
    cluster.machine("rk1").claim((3, 5))
    site.rack("rk1")
    assert f"maas-agent has lost {region.address}:5271" in site.power("on").text


def silence(process: subprocess.Popen[bytes]) -> None:
    """Stop the daemon where it stands, with its connections open."""
    os.killpg(process.pid, signal.SIGSTOP)
