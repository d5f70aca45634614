"""Which drills a stack can have, and whom they hit."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import stack_file
from config.stack_file import Cluster
from ops import drill_plan
from ops.drill_plan import ALL, Hit, Planned
from ops.engine import EngineError

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def ha(tmp_path: Path) -> Cluster:
    return read("ha", tmp_path)


@pytest.fixture
def dev(tmp_path: Path) -> Cluster:
    return read("dev", tmp_path)


def read(stack: str, folder: Path) -> Cluster:
    """The stack's cluster, with host keys made up."""
    text = (PROJECT / f"Pulumi.{stack}.yaml").read_text().replace(f".lab/{stack}/known_hosts", "known_hosts")
    (folder / f"Pulumi.{stack}.yaml").write_text(text)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIbX5j7jmcOUpHiFY0LmpzIxBtMJoSxZ8FGi8OcUPnHr"
    network = "203.0.113" if stack == "ha" else "198.51.100"
    (folder / "known_hosts").write_text("".join(f"{network}.{number} {key}\n" for number in range(1, 100)))
    return stack_file.read(stack, folder)


def test_all_of_them_where_nothing_may_be_missed(ha: Cluster) -> None:
    planned, skipped = drill_plan.planned(ha, "ha", "all", "", "")
    assert [(each.kind, each.fault) for each in planned] == list(ALL)
    assert skipped == []


def test_what_nothing_takes_over_from_is_left_out_by_name(dev: Cluster) -> None:
    planned, skipped = drill_plan.planned(dev, "dev", "all", "", "")
    assert {each.kind for each in planned} == {"region", "rack"}
    assert {each.kind: each.why for each in skipped} == {
        "balancer": "lb1 is the stack's only balancer, from which nothing can take over",
        "database": "db1 has the stack's one PostgreSQL (database.host), from which nothing can take over",
        "partition": "db1 has the stack's one PostgreSQL (database.host), from which nothing can take over",
    }


def test_somebody_elses_database_is_left_alone(dev: Cluster) -> None:
    theirs = dev.topology.model_validate(
        dev.topology.model_dump() | {"database": {"external": "192.0.2.9"}}, from_attributes=True
    )
    why = drill_plan.why_not(Cluster(theirs, dev.host_keys), "database")
    assert why == "the PostgreSQL at 192.0.2.9 is your own (database.external): this stack can't make it fail"


@pytest.mark.parametrize(
    ("kind", "fault", "host", "told"),
    [
        ("all", "kill", "", "`all` takes neither a host nor --fault"),
        ("partition", "kill", "", "no fault 'kill' of a partition; there are cut"),
        ("rack", "", "db1", "db1 is no rack of stack ha; there are rack1, rack2"),
    ],
)
def test_refused(ha: Cluster, kind: str, fault: str, host: str, told: str) -> None:
    with pytest.raises(EngineError, match=told):
        drill_plan.planned(ha, "ha", kind, fault, host)


def test_whom_it_hits(ha: Cluster) -> None:
    def hit(kind: str, fault: str = "kill", host: str = "") -> list[Hit]:
        return drill_plan.hits(ha, Planned(kind, fault, host), "region2", "db3")

    assert hit("region") == [Hit("region2", "region")]
    assert hit("region", host="region1") == [Hit("region1", "region")]
    assert hit("database") == [Hit("db3", "patroni")]
    assert hit("rack") == [Hit("rack1", "rack")]
    [database, region] = hit("partition", "cut")
    assert (database.host, database.role, region.host, region.role) == ("db3", "patroni", "region2", "region")
    everybody = {str(host.address) for host in ha.topology.hosts.values()}
    assert set(database.addresses) == set(region.addresses) == everybody - {"203.0.113.13", "203.0.113.22"}
    [alone] = hit("database", "cut")
    assert set(alone.addresses) == everybody - {"203.0.113.13"}


def test_dhcp_clients_are_where_nothing_fails(ha: Cluster, dev: Cluster) -> None:
    """And not on a host whose own dhcpd wouldn't hear them."""
    assert drill_plan.clients_host(ha, ["db1", "db2", "db3"]) == "region1"
    assert drill_plan.clients_host(ha, ["db1"]) == "db2"
    assert drill_plan.clients_host(ha, [name for name in ha.topology.hosts if not name.startswith("rack")]) == ""
    assert drill_plan.clients_host(dev, []) == "db1"
