"""DHCP by MAAS and by a stand-alone ISC pair, with real clients: changed by the stack file, and one half lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import cast

import pytest

from lab.cluster import Lab
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import unit_starts
from tests.engine.test_1_up import maas_ha, status
from tests.procedures.dhcp_client import Client, Watch, client
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "rack1": 31, "rack2": 32, "rack3": 33, "dhcp1": 51}
FAILOVER_SECONDS = 120.0

Json = dict[str, object]
ISC: Json = {"mode": "isc"}


def shape(cluster: Cluster) -> None:
    """Three racks; the database's host balances, and is half of the stand-alone pair later, as dhcp1 is then."""
    cluster["racks"] = ["rack1", "rack2", "rack3"]
    cluster["regions"] = {"region1": {"workers": 2}}
    hosts = cast("Json", cluster["hosts"])
    del hosts["dhcp1"]
    cluster["load_balancer"] = {"host": "db1"}


def network_of(cluster: Cluster) -> IPv4Network:
    """The lab's /24, as the database's host is in it."""
    address = cast("dict[str, dict[str, str]]", cluster["hosts"])["db1"]["address"]
    return IPv4Network(f"{address}/24", strict=False)


def pair(
    primary: str, secondary: str, start: int = 100, end: int = 119, *, more: Json | None = None
) -> Callable[[Cluster], None]:
    """The stack file with this pair for the subnet."""

    def change(cluster: Cluster) -> None:
        network = network_of(cluster)
        limits = {"start": str(network[start]), "end": str(network[end])}
        entry = {"subnet": str(network), "range": limits, "primary": primary, "secondary": secondary}
        cluster["dhcp"] = [{**entry, **(more or {})}]

    return change


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("dhcp")
    with scenario(folder, "dhcp", HOSTS, change=shape) as deployment:
        deployment.edit(pair("rack1", "rack2"))
        deployment.up()
        yield deployment


@pytest.fixture(scope="module")
def lab(deployment: Deployment) -> Lab:
    return deployment.lab


@pytest.fixture(scope="module")
def clients(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client, Client]]:
    """Three machines."""
    folder = tmp_path_factory.mktemp("clients")
    with client(lab, folder, "a") as a, client(lab, folder, "b") as b, client(lab, folder, "c") as c:
        yield a, b, c


def in_range(address: str, start: int = 100, end: int = 119) -> bool:
    return start <= int(address.rpartition(".")[2]) <= end


def wait(what: str, seconds: float, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def failover(deployment: Deployment) -> dict[str, str]:
    """Member → what its dhcpd says, well or not."""
    [subnet] = Status.model_validate_json(maas_ha(deployment, "status", STACK, "--json").stdout).dhcp
    return subnet.failover


def served_by(found: Status) -> tuple[str, str, bool]:
    [subnet] = found.dhcp
    return subnet.primary, subnet.secondary, subnet.dhcp_on


def wait_normal(deployment: Deployment) -> None:
    wait("normal on both", FAILOVER_SECONDS, lambda: set(failover(deployment).values()) == {"normal/normal"})


def other_starts(lab: Lab) -> dict[str, str]:
    """When each unit of the cluster became active, but for dhcpd's."""
    return {unit: since for unit, since in unit_starts(lab).items() if "dhcp" not in unit}


class TestByMaas:
    """Every edit of the stack file is a plain `pulumi up`."""

    def test_a_client_gets_an_address_and_keeps_it(self, clients: tuple[Client, Client, Client]) -> None:
        first = clients[0].lease()
        assert in_range(first)
        assert clients[0].lease() == first

    @pytest.mark.parametrize(
        ("primary", "secondary", "touched"),
        [
            pytest.param("rack2", "rack1", {"rack1", "rack2"}, id="swap"),
            pytest.param("rack2", "rack3", {"rack1", "rack2", "rack3"}, id="another-secondary"),
            pytest.param("rack3", "rack1", {"rack1", "rack2", "rack3"}, id="secondary-promoted"),
            pytest.param("rack2", "rack3", {"rack1", "rack2", "rack3"}, id="another-primary"),
        ],
    )
    def test_racks_change(
        self,
        deployment: Deployment,
        lab: Lab,
        clients: tuple[Client, Client, Client],
        record_property: Callable[[str, object], None],
        primary: str,
        secondary: str,
        touched: set[str],
    ) -> None:
        """A client that asks all the while has one address; a command that goes turns nothing off."""
        starts, held = other_starts(lab), clients[0].lease()
        deployment.edit(pair(primary, secondary))
        with Watch(clients[1]) as watch:
            output = deployment.up()
            found = status(deployment)
        record_property("seconds_without_a_lease", round(watch.longest, 1))
        told = f"{primary}, {secondary}: nobody answered for at most {watch.longest:.1f} s"
        print(f"… {told}", file=sys.__stderr__, flush=True)
        assert served_by(found) == (primary, secondary, True)
        assert found.problems == []
        subnet = str(deployment.network).replace("/", "-")
        changed = {line.split()[2] for line in output.splitlines() if "command:remote:Command" in line}
        assert changed == {f"dhcp-{subnet}-{rack}" for rack in touched}
        assert other_starts(lab) == starts
        assert len(watch.addresses) == 1
        assert clients[0].lease() == held
        assert held not in watch.addresses

    def test_again_nothing(self, deployment: Deployment) -> None:
        deployment.up("--expect-no-changes")

    def test_the_primary_s_command_made_anew(self, deployment: Deployment) -> None:
        """Its removal turns DHCP off, and the secondary's, of which nobody spoke, turns it on."""
        subnet = str(deployment.network).replace("/", "-")
        deployment.up("--replace", f"**::dhcp-{subnet}-rack2")
        found = status(deployment)
        assert (served_by(found), found.problems) == (("rack2", "rack3", True), [])

    def test_off_and_on_with_another_range(
        self, deployment: Deployment, lab: Lab, clients: tuple[Client, Client, Client]
    ) -> None:
        starts = other_starts(lab)
        deployment.edit(pair("rack2", "rack3", more={"enabled": False}))
        deployment.up()
        found = status(deployment)
        assert (served_by(found), found.problems) == (("", "", False), [])
        assert clients[2].lease(seconds=6) == ""
        deployment.edit(pair("rack2", "rack3", 140, 159))
        deployment.up()
        assert status(deployment).problems == []
        assert other_starts(lab) == starts
        addresses = {one.lease() for one in clients}
        assert len(addresses) == 3
        assert all(in_range(address, 140, 159) for address in addresses)

    def test_the_primary_dies(self, deployment: Deployment, lab: Lab, clients: tuple[Client, Client, Client]) -> None:
        dies(deployment, lab, clients, "rack2", "maas-dhcpd", comes_back_by_itself=True)


@pytest.fixture(scope="module")
def pristine(lab: Lab) -> set[str]:
    """The files of dhcp1 before anything was done to it."""
    return set(lab.snapshot("dhcp1"))


class TestStandAlone:
    """The same subnet by two hosts that are no racks."""

    def test_it_comes_up_normal(
        self, deployment: Deployment, lab: Lab, pristine: set[str], clients: tuple[Client, Client, Client]
    ) -> None:
        assert pristine

        def change(cluster: Cluster) -> None:
            cluster["dhcp"] = []

        deployment.edit(change)
        deployment.up()
        assert clients[2].lease(seconds=6) == ""

        def hosts(cluster: Cluster) -> None:
            known = cast("Json", cluster["hosts"])
            known["dhcp1"] = {"address": str(lab.host("dhcp1").address)}

        deployment.edit(hosts)
        router, region, rack = (str(deployment.network[octet]) for octet in (1, 21, 31))
        boot: Json = {"routers": [router], "dns_servers": [region], "next_server": rack}
        deployment.edit(pair("dhcp1", "db1", more=ISC | boot))
        deployment.up()
        found = status(deployment)
        assert (found.problems, found.dhcp[0].mode) == ([], "isc")
        assert set(found.dhcp[0].failover.values()) == {"normal/normal"}
        deployment.up("--expect-no-changes")
        addresses = {one.lease() for one in clients}
        assert len(addresses) == 3
        assert all(in_range(address) for address in addresses)

    def test_the_primary_dies(self, deployment: Deployment, lab: Lab, clients: tuple[Client, Client, Client]) -> None:
        dies(deployment, lab, clients, "dhcp1", "isc-dhcp-server", comes_back_by_itself=False)

    def test_a_swap(self, deployment: Deployment) -> None:
        deployment.edit(pair("db1", "dhcp1", more=ISC))
        deployment.up()
        wait_normal(deployment)
        assert status(deployment).problems == []

    def test_a_dead_host_is_named_and_holds_up_nothing(self, deployment: Deployment, lab: Lab) -> None:
        lab.poweroff("dhcp1")
        wait("the loss is noticed", FAILOVER_SECONDS, lambda: failover(deployment)["db1"] != "normal/normal")
        before = deployment.read()
        deployment.edit(pair("db1", "dhcp1", 100, 129, more=ISC))
        output = deployment.up_fails()
        assert f"isc-dhcp-{deployment.network.network_address}-24-dhcp1" in output
        lab.poweron("dhcp1")
        deployment.write(before)
        deployment.up()
        wait_normal(deployment)

    def test_its_removal_leaves_nothing(self, deployment: Deployment, lab: Lab, pristine: set[str]) -> None:
        def change(cluster: Cluster) -> None:
            cluster["dhcp"] = []
            del cast("Json", cluster["hosts"])["dhcp1"]

        deployment.edit(change)
        deployment.up()
        stays = ("/etc/ld.so.cache", "/etc/machine-id", "/var/lib/dpkg/", "/var/lib/ucf/")
        assert {line for line in lab.snapshot("dhcp1") if not line.startswith(stays)} <= pristine
        assert lab.exec("db1", "systemctl", "is-active", "isc-dhcp-server", check=False).stdout.strip() == "inactive"
        assert "maas-ha" not in lab.exec("db1", "cat", "/etc/dhcp/dhcpd.conf").stdout


def dies(
    deployment: Deployment,
    lab: Lab,
    clients: tuple[Client, Client, Client],
    primary: str,
    unit: str,
    *,
    comes_back_by_itself: bool,
) -> None:
    """Whoever has an address keeps it, whoever is new gets one, and nobody has another's; then all is as before."""
    old, new, newer = clients
    new.forget()
    newer.forget()
    held = old.lease()
    wait_normal(deployment)
    lab.exec(primary, "systemctl", "kill", "--signal=KILL", unit)
    assert old.lease() == held
    given = new.lease()
    assert given
    if not comes_back_by_itself:
        lab.exec(primary, "systemctl", "restart", unit)
    wait_normal(deployment)
    lab.poweroff(primary)
    assert old.lease() == held
    assert old.server() != str(lab.host(primary).address)
    assert new.lease() == given
    fresh = newer.lease(seconds=90)
    assert fresh
    assert len({held, given, fresh}) == 3
    lab.poweron(primary)
    wait_normal(deployment)
    assert [one.lease() for one in clients] == [held, given, fresh]
