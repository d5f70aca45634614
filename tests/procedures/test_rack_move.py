"""A rack moves to another MAAS by leaving the one and joining the other; never in place.

Two whole clusters and a spare host share one lab, since the bridges of two labs don't reach each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lab.cluster import Lab
from tests.engine.deployment import Deployment
from tests.lab.traces import free_network
from tests.procedures.test_racks import in_maas, listed, remains

pytestmark = pytest.mark.lab

HOSTS = {"a1": 11, "a2": 12, "b1": 21, "b2": 22, "spare": 31}


@dataclass(frozen=True)
class Two:
    """Two stacks, each with a database, a balancer and a rack on its first host and a region on its second."""

    lab: Lab
    a: Deployment
    b: Deployment


def shape(deployment: Deployment, cluster: str, *more_racks: str) -> None:
    """The stack file of cluster `a` or `b`, with racks on further hosts."""
    first, second = f"{cluster}1", f"{cluster}2"
    names = (first, second, *more_racks)
    addresses = {name: {"address": str(deployment.lab.host(name).address)} for name in names}

    deployment.edit(
        lambda file: file.update(
            hosts=addresses,
            database={"host": first, "version": 15},
            load_balancer={"host": first},
            regions={second: {"workers": 1}},
            racks=[first, *more_racks],
            dhcp=[],
        )
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("move")
    lab = Lab("move", folder)
    try:
        lab.up(free_network(), tuple(HOSTS.items()))
        projects = [folder / "a", folder / "b"]
        for project in projects:
            project.mkdir()
        a, b = (Deployment(project, lab) for project in projects)
        shape(a, "a", "spare")
        shape(b, "b")
        with ThreadPoolExecutor() as pool:
            list(pool.map(Deployment.up, (a, b)))
        yield Two(lab, a, b)
    finally:
        lab.down()


def identity(lab: Lab, host: str) -> dict[str, str]:
    """What a rack knows of its MAAS, by file, and when its rackd started."""
    files = ("/etc/maas/rackd.conf", "/var/lib/maas/maas_uuid", "/var/lib/maas/maas_id", "/var/lib/maas/secret")
    found = {path: lab.exec(host, "cat", path).stdout for path in files}
    show = ("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "maas-rackd.service")
    return found | {"started": lab.exec(host, *show).stdout}


def test_never_in_place(two: Two) -> None:
    before = identity(two.lab, "spare")
    shape(two.b, "b", "spare")
    output = two.b.up_fails()
    assert "this host is of another stack" in output
    assert "run `pulumi up` there, which cleans it" in output
    assert identity(two.lab, "spare") == before
    assert (in_maas(two.a), in_maas(two.b)) == (["a1", "spare"], ["b1"])
    assert listed(two.a).problems == []


def test_it_leaves_the_one_and_joins_the_other(two: Two) -> None:
    before = identity(two.lab, "spare")
    shape(two.a, "a")
    two.a.up()
    assert in_maas(two.a) == ["a1"]
    assert remains(two.lab, "spare") == ""
    two.b.up()
    assert (in_maas(two.a), in_maas(two.b)) == (["a1"], ["b1", "spare"])
    assert listed(two.b).problems == []
    after = identity(two.lab, "spare")
    assert after["/var/lib/maas/maas_uuid"] == identity(two.lab, "b1")["/var/lib/maas/maas_uuid"]
    assert {path for path in before if before[path] == after[path]} == set()
    rpc_state = two.lab.exec("spare", "cat", "/var/lib/maas/rpc.state").stdout
    assert str(two.lab.host("a2").address) not in rpc_state + after["/etc/maas/rackd.conf"]
