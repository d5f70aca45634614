"""Stack files for tests: the project's own, pointed at a known_hosts file that exists everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import yaml

PROJECT = Path(__file__).parents[1]
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZ4b2Vd0s0n3nXv0m4CkqkYJrW0nHq1p1v9o2m3C4dE"


def cluster_of(stack: str, known_hosts: Path) -> dict[str, object]:
    """The `maas-ha:cluster` of `Pulumi.<stack>.yaml`, and a key for each of its hosts in `known_hosts`."""
    text = (PROJECT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    cluster = cast("dict[str, object]", yaml.safe_load(text)["config"]["maas-ha:cluster"])
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    known_hosts.write_text("".join(f"{host['address']} {HOST_KEY}\n" for host in hosts.values()), encoding="utf-8")
    return cluster | {"ssh": {"user": "deploy", "known_hosts": str(known_hosts)}}


VIRTUAL_ADDRESS = "198.51.100.40"


def with_shared_address(folder: Path, *balancers: str) -> dict[str, object]:
    """The dev stack's cluster whose `balancers`, lb1, lb2, … at 198.51.100.41 and up, share an address."""
    cluster = cluster_of("dev", folder / "known_hosts")
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    del hosts["lb1"]
    hosts |= {name: {"address": f"198.51.100.4{name.removeprefix('lb')}"} for name in balancers}
    keys = "".join(f"{host['address']} {HOST_KEY}\n" for host in hosts.values())
    (folder / "known_hosts").write_text(keys, encoding="utf-8")
    cluster["load_balancer"] = {"hosts": list(balancers), "virtual_address": f"{VIRTUAL_ADDRESS}/24"}
    return cluster
