"""Clusters of any size: as a stack file has them, all of it at random, and each with a key for every host."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tests.stacks import HOST_KEY

Cluster = dict[str, object]

SUBNET_BITS = 8
"""Each rack pair has a /24 of 10.0.0.0/8 of its own."""


def cluster(
    folder: Path, *, regions: int, racks: int, pairs: int = 0, workers: int = 4, version: str = "3.4"
) -> Cluster:
    """A cluster that can work, of 2 + `regions` + `racks` hosts; the first 2 * `pairs` racks serve DHCP two by two."""
    hosts: dict[str, dict[str, object]] = {"db1": {"address": "198.18.0.11"}, "lb1": {"address": "198.18.0.12"}}
    hosts |= {f"region{number}": {"address": f"198.18.1.{number}"} for number in range(1, regions + 1)}
    hosts |= {f"rack{number}": _rack(number, pairs) for number in range(1, racks + 1)}
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("".join(f"{host['address']} {HOST_KEY}\n" for host in hosts.values()), encoding="utf-8")
    return {
        "maas": {"version": version, "admin": {"email": "ops@example.com"}},
        "ssh": {"user": "deploy", "known_hosts": str(known_hosts)},
        "hosts": hosts,
        "database": {"host": "db1", "version": 16},
        "regions": {f"region{number}": {"workers": workers} for number in range(1, regions + 1)},
        "racks": [f"rack{number}" for number in range(1, racks + 1)],
        "load_balancer": {"host": "lb1"},
        "dhcp": [_pair(number) for number in range(1, pairs + 1)],
    }


def _rack(number: int, pairs: int) -> dict[str, object]:
    host: dict[str, object] = {"address": f"198.19.{number // 250}.{number % 250 + 1}"}
    if number <= 2 * pairs:
        host["also"] = [f"10.{(number + 1) // 2 // 250}.{(number + 1) // 2 % 250}.{number % 2 + 2}"]
    return host


def _pair(number: int) -> dict[str, object]:
    network = f"10.{number // 250}.{number % 250}"
    return {
        "subnet": f"{network}.0/24",
        "range": {"start": f"{network}.100", "end": f"{network}.199"},
        "primary": f"rack{2 * number - 1}",
        "secondary": f"rack{2 * number}",
    }


def spoilt(cluster: Cluster, chance: random.Random) -> Cluster:
    """`cluster` with one random mistake of the kind that the rules are for."""
    racks, hosts = cluster["racks"], cluster["hosts"]
    assert isinstance(racks, list)
    assert isinstance(hosts, dict)
    some = str(chance.choice(list(hosts)))
    mistakes: Sequence[Cluster] = (
        {"racks": [*racks, "nobody"]},
        {"racks": [*racks, racks[0]]},
        {"racks": [*racks, "region1"]},
        {"load_balancer": {"host": "region1"}},
        {"hosts": {**hosts, "idle": {"address": "198.18.0.99"}}},
        {"hosts": {**hosts, some: {"address": "198.18.0.11" if some != "db1" else "198.18.0.12"}}},
        {"database": {"host": "db1", "version": 14}, "maas": {**_dict(cluster["maas"]), "version": "3.7"}},
        {"regions": {"region1": {"workers": 11}}},
    )
    return cluster | chance.choice(mistakes)


def _dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
