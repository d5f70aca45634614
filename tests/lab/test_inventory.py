"""Names, addresses and shapes of labs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from lab.errors import LabError
from lab.inventory import DEFAULT_NAME, SHAPES, Inventory, Place, Shape, parse_hosts, parse_network

PROJECT = Path(__file__).parents[2]


def test_the_default_shape_has_six_hosts_on_documentation_addresses() -> None:
    shape = Shape()
    assert {name: str(shape.address(octet)) for name, octet in shape.hosts} == {
        "db1": "198.51.100.11",
        "region1": "198.51.100.21",
        "region2": "198.51.100.22",
        "rack1": "198.51.100.31",
        "rack2": "198.51.100.32",
        "lb1": "198.51.100.41",
    }
    assert shape.gateway == IPv4Address("198.51.100.1")


def test_the_lab_of_a_stack_file_has_its_hosts() -> None:
    for name, shape in {"dev": Shape(), **SHAPES}.items():
        stack = yaml.safe_load((PROJECT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))
        hosts = stack["config"]["maas-ha:cluster"]["hosts"]
        assert {host: str(shape.address(octet)) for host, octet in shape.hosts} == {
            host: described["address"] for host, described in hosts.items()
        }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("198.18.0.0/23", "give a /24"),
        ("198.18.0.1/24", "host bits set"),
        ("pudding", "pudding"),
        ("fd00::/64", "fd00::/64"),
    ],
)
def test_a_network_that_is_no_ipv4_24_is_refused(text: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        parse_network(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "write name:octet"),
        ("a:1", "octet from 2 to 254"),
        ("a:255", "octet from 2 to 254"),
        ("a:x", "write name:octet"),
        ("A:2", "is no name"),
        ("a:2,a:3", "twice"),
        ("a:2,b:2", "twice"),
        ("a:2,", "is no name"),
    ],
)
def test_hosts_that_cannot_be_are_refused(text: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        parse_hosts(text)


def test_hosts_keep_their_order() -> None:
    assert parse_hosts("region3:23, db1:11") == (("region3", 23), ("db1", 11))


@pytest.mark.parametrize("name", ["dev", "a-lab-with-a-rather-long-name-ok"])
def test_bridge_names_fit_the_kernel_and_differ(name: str) -> None:
    place = Place.at(Path("/somewhere"), name)
    assert len(place.bridge) <= 15
    assert place.bridge != Place.at(Path("/somewhere"), f"{name[:-1]}x").bridge


@pytest.mark.parametrize("name", ["", "../up", "a/b", "Dev", "-a", "a" * 33, "1a"])
def test_a_lab_name_cannot_leave_its_folder(name: str) -> None:
    with pytest.raises(LabError, match="is no name"):
        Place.at(Path("/somewhere"), name)


def test_the_same_name_elsewhere_has_another_bridge_and_other_machines() -> None:
    here, there = Place.at(Path("/here"), DEFAULT_NAME), Place.at(Path("/there"), DEFAULT_NAME)
    assert here.bridge != there.bridge
    assert here.machine("db1") != there.machine("db1")


def test_an_inventory_is_read_as_it_was_written(tmp_path: Path) -> None:
    place = Place.at(tmp_path, "x")
    place.folder.mkdir(parents=True)
    inventory = Inventory(Shape(IPv4Network("198.18.4.0/24"), (("a", 2),), "3.6"), "/base", "/packages")
    inventory.save(place)
    assert Inventory.load(place) == inventory


def test_a_lab_that_is_not_there_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"there is no lab 'x' .*: lab up --name x"):
        Inventory.load(Place.at(tmp_path, "x"))
