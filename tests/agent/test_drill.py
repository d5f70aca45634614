"""What the agent takes for a drill, and what it reads of HAProxy. The faults themselves need real hosts."""

from __future__ import annotations

import pytest

from agent.bundle import RegionSettings
from agent.drill import is_drill, unit_of
from agent.drill_look import count_sessions
from agent.records import Record


@pytest.mark.parametrize(
    "arguments",
    [
        "look",
        "region kill 1",
        "haproxy off 300",
        "patroni hang 20",
        "rack off 20",
        "patroni cut 20 198.51.100.11 2001:db8::12",
        "writes patroni 20",
        "writes region 20",
    ],
)
def test_a_drill(arguments: str) -> None:
    assert is_drill(arguments.split())


@pytest.mark.parametrize(
    "arguments",
    ["", "region kill", "postgres kill 5", "region burn 5", "region kill 0", "region kill 301", "region kill -5",
     "region kill 5 6", "status", "region kill 5 198.51.100.11", "region cut 5", "region cut 5 198.51.100.11;x",
     "writes rack 20", "writes region"],
)  # fmt: skip
def test_no_drill(arguments: str) -> None:
    assert not is_drill(arguments.split())


def test_sessions_are_summed_over_the_routes() -> None:
    table = "# pxname,svname,stot,\nmaas-80,region1,7,\nmaas-80,region2,,\nmaas-5271,region1,3,\n\n"
    assert count_sessions(table) == {"region1": 10, "region2": 0}


def test_no_answer_of_haproxy() -> None:
    assert count_sessions("") == {}


@pytest.mark.parametrize(("packaging", "unit"), [("deb", "maas-regiond.service"), ("snap", "snap.maas.pebble.service")])
def test_a_region_is_its_regiond_whatever_runs_beside_it(packaging: str, unit: str) -> None:
    settings = RegionSettings(False, 1, "db", 5432, "maasdb", "maas", "admin", "a@b", (), packaging, "3.7")
    units = ("maas-ha-drain.service", unit)
    assert unit_of(Record("t", "region1", "region-1", settings, (), (), units, {}, ())) == unit
