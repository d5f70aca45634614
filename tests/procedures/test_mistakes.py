"""Mistakes that MAAS wouldn't notice, made for real: refused with the reason, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from lab.cluster import Lab
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import packages, sql, unit_starts
from tests.engine.test_1_up import maas_ha, status, workers
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

HOSTS = {"db1": 11, "region1": 21, "rack1": 31, "rack2": 32, "lb1": 41}
AGENTS_OWN = (
    "/var/lib/maas-ha/",
    "/usr/local/",
    "/var/lib/dpkg/",
    "/usr/lib/python3",
    "/etc/python3",
    "/etc/ld.so.cache",
)
"""What the agent keeps for itself, and what the mistakes were made with."""
SKEWED_PYTHON = "import time as _time\n_now = _time.time\n_time.time = lambda: _now() + 400\n"
"""A host can't have a clock of its own here; its Python can."""
SITE = "/etc/python3.11/sitecustomize.py"


def one_rack(cluster: Cluster) -> None:
    """rack2 is still to come."""
    del cast("dict[str, object]", cluster["hosts"])["rack2"]
    del cast("dict[str, object]", cluster["regions"])["region2"]
    cluster["racks"] = ["rack1"]
    cluster["dhcp"] = []


def second_rack(cluster: Cluster) -> None:
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    hosts["rack2"] = {"address": hosts["rack1"]["address"].replace(".31", ".32")}
    cluster["racks"] = ["rack1", "rack2"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("mistakes")
    with scenario(folder, "mistakes", HOSTS, change=one_rack) as made:
        made.up()
        made.edit(second_rack)
        yield made


def refused(deployed: Deployment) -> str:
    """What `pulumi up` fails with; rack2 keeps files, packages and units, and nobody else notices."""
    lab = deployed.lab

    def seen() -> set[str]:
        files = {line for line in lab.snapshot("rack2") if not line.startswith(AGENTS_OWN)}
        return files | packages(lab, "rack2") | {f"{unit} since {when}" for unit, when in unit_starts(lab).items()}

    before = seen()
    output = deployed.up_fails()
    assert sorted(seen() ^ before) == []
    return " ".join(output.split())


def script(lab: Lab, host: str, text: str) -> None:
    lab.exec(host, "sh", "-euc", text)


def test_a_machine_that_is_no_rack(deployed: Deployment) -> None:
    """Another hostname, a server of virtual machines, a package that chrony can't be beside: all told at once."""
    lab = deployed.lab
    rival = "Package: ntpsec\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@example.com>\\nDescription: a rival\\n"
    script(
        lab,
        "rack2",
        f"""
        mkdir -p /tmp/rival/DEBIAN && printf '{rival}' >/tmp/rival/DEBIAN/control
        dpkg-deb --build /tmp/rival /tmp/rival.deb && dpkg -i /tmp/rival.deb
        printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/run/systemd/system/libvirtd.service
        systemctl daemon-reload && systemctl start libvirtd.service
        hostname clone
        """,
    )
    try:
        deployed.up_fails()  # brings Python, which a minimal Debian lacks; from here on nothing changes
        output = refused(deployed)
    finally:
        script(
            lab,
            "rack2",
            """
            dpkg --purge ntpsec; rm -r /tmp/rival /tmp/rival.deb
            systemctl stop libvirtd.service; rm /run/systemd/system/libvirtd.service; systemctl daemon-reload
            hostname rack2
            """,
        )
    assert "rack2: prepare: this machine calls itself clone, the stack file calls it rack2" in output
    assert "libvirtd.service runs here" in output
    assert "ntpsec is installed here" in output
    assert packages(lab, "rack2") & {"maas-rack-controller", "maas-common"} == set()


def test_a_host_that_maas_would_take_for_another(deployed: Deployment) -> None:
    """A MAC of rack1, and controllers that would differ in version."""
    lab = deployed.lab
    mac = lab.exec("rack1", "cat", "/sys/class/net/host0/address").stdout.strip()
    [version] = sql(lab, "select version from maasserver_node where hostname = 'region1'")
    script(lab, "rack2", f"ip link add twin0 type bridge && ip link set twin0 address {mac}")
    sql(lab, "update maasserver_node set version = '3.5.0-1-g.abc' where hostname = 'region1'")
    try:
        first = deployed.up_fails()  # packages come now, so only from here on nothing changes
        output = refused(deployed)
        seen = Status.model_validate_json(maas_ha(deployed, "status", STACK, "--json").stdout)
    finally:
        script(lab, "rack2", "ip link delete twin0")
        sql(lab, f"update maasserver_node set version = '{version}' where hostname = 'region1'")  # noqa: S608
    for text in (" ".join(first.split()), output):
        assert f"rack2: compare this host with MAAS: the MAC {mac} here is rack1's too" in text
        assert "MAAS would run in different versions: 3.4.10 on rack1, rack2; 3.5.0 on region1" in text
    assert any("versions differ: 3.4.10 on rack1; 3.5.0 on region1" in problem for problem in seen.problems)


def test_a_rack_of_another_maas(deployed: Deployment) -> None:
    lab = deployed.lab
    conf, identity = "/etc/maas/rackd.conf", "/var/lib/maas/maas_id"
    foreign = "maas_url: [http://198.51.100.99:5240/MAAS]"
    script(lab, "rack2", f"test ! -e {conf}; echo '{foreign}' >{conf}; echo x4y2zz >{identity}")
    try:
        output = refused(deployed)
    finally:
        script(lab, "rack2", f"rm {conf} {identity}")
    assert "this host is the rack x4y2zz of another MAAS (rackd.conf names http://198.51.100.99:5240/MAAS" in output
    assert "a rack never moves in place" in output


def test_a_clock_that_is_wrong(deployed: Deployment) -> None:
    """The agent's own Python is 400 s ahead, as every program of a host with a wrong clock would be."""
    lab = deployed.lab
    script(lab, "rack2", f"cp -a {SITE} /root/kept; cat >>{SITE} <<'END'\n{SKEWED_PYTHON}END\n")
    try:
        output = refused(deployed)
    finally:
        script(lab, "rack2", f"mv /root/kept {SITE}")
    assert "this host's clock is " in output
    assert "s ahead of that of http://" in output
    assert "MAAS refuses requests from 300 s on" in output


def test_without_its_mistakes_the_rack_joins(deployed: Deployment) -> None:
    before = unit_starts(deployed.lab)
    deployed.up()
    assert status(deployed).problems == []
    after = unit_starts(deployed.lab)
    assert {unit: when for unit, when in after.items() if not unit.startswith("rack2 ")}.items() >= {
        (unit, when) for unit, when in before.items() if not unit.startswith("rack2 ")
    }


def test_a_maas_url_that_another_region_wrote(deployed: Deployment) -> None:
    """A region of somebody else's on the same database, or a changed regiond.conf, started last (maas-facts §2)."""
    sql(
        deployed.lab,
        "update maasserver_config set value = to_jsonb('http://elsewhere/MAAS'::text) where name = 'maas_url'",
    )
    deployed.edit(workers("region1", 3))
    output = " ".join(deployed.up().split())
    assert "warning: MAAS's maas_url is http://elsewhere/MAAS, all regions of this stack were given" in output
    address = deployed.lab.host("lb1").address
    assert sql(deployed.lab, "select value #>> '{}' from maasserver_config where name = 'maas_url'") == [
        f"http://{address}/MAAS"
    ]
