"""What the tests of a restart that nobody notices have in common: load, the balancers' view, and what is told."""

from __future__ import annotations

import csv
import json
import logging
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.cluster import Lab
from tests.engine.deployment import STACK, Deployment
from tests.engine.test_1_up import status
from tests.lab.standin.daemons.polling import eventually

log = logging.getLogger(__name__)

CLIENTS = range(201, 211)
"""Last numbers of the addresses that the host of the database gets for them."""
SCRIPT = Path(__file__).with_name("load.py")
VIEW = 5237


@dataclass
class Seen:
    """What the clients saw."""

    tried: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    moments: list[tuple[float, float]] = field(default_factory=list)
    """When each of those began and ended."""


def clients(lab: Lab) -> list[str]:
    """Addresses of the clients."""
    network = str(lab.host("db1").address).rpartition(".")[0]
    return [f"{network}.{number}" for number in CLIENTS]


def add_clients(lab: Lab) -> None:
    """Give the clients their addresses."""
    for address in clients(lab):
        lab.exec("db1", "ip", "address", "add", f"{address}/24", "dev", "host0")


@contextmanager
def load(deployment: Deployment, hosts: Sequence[str], *, at_least: int = 0, may_fail: bool = False) -> Iterator[Seen]:
    """Twenty clients of the balanced addresses `hosts` until the block ends and `at_least` requests were made.

    Raises AssertionError if any of them failed (unless they `may_fail`), or came back with another value than was
    written.
    """
    lab, seen = deployment.lab, Seen()
    given = {
        "hosts": list(hosts),
        "key": deployment.outputs()["api_key"],
        "clients": clients(lab),
        "at_least": at_least,
    }
    lab.exec("db1", "tee", "/run/load.py", input=SCRIPT.read_text())
    argv = lab.host("db1").exec_argv(("python3", "/run/load.py"))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(json.dumps(given) + "\n")
    process.stdin.flush()
    try:
        yield seen
    finally:
        output, _ = process.communicate()
    told = json.loads(output)
    seen.tried, seen.failed = told["tried"], told["failed"]
    seen.moments = [(began, ended) for began, ended in told["moments"]]
    log.info("requests: %s, failed: %d", seen.tried, len(seen.failed))
    assert seen.failed == [] or may_fail
    assert not [one for one in seen.failed if ": 200 " in one], "another value than was written"
    assert min(seen.tried.values()) >= len(CLIENTS), seen.tried
    assert sum(seen.tried.values()) >= at_least


def servers(lab: Lab, balancer: str, *, asking: str = "region2") -> list[dict[str, str]]:
    """What `balancer` thinks of each region on each route, as the region `asking` sees it."""
    url = f"http://{lab.host(balancer).address}:{VIEW}/;csv"
    text = lab.exec(asking, "curl", "-sf", url).stdout.removeprefix("# ")
    return [row for row in csv.DictReader(text.splitlines()) if row["svname"].startswith("region")]


def states(lab: Lab, balancer: str, *, asking: str = "region2") -> dict[str, str]:
    """Region → the balancer's word for it on the API's route."""
    found = servers(lab, balancer, asking=asking)
    return {row["svname"]: row["status"] for row in found if row["pxname"] == "maas-80"}


def wait_until_up(lab: Lab, *balancers: str) -> None:
    """Every region takes new connections from all of them. Raises AssertionError after a while."""

    def up() -> bool:
        return all({*states(lab, name).values()} == {"UP"} for name in balancers)

    eventually(up, f"all regions up at {', '.join(balancers)}")


def assert_whole(deployment: Deployment, *balancers: str) -> None:
    """Everybody is up and connected."""
    wait_until_up(deployment.lab, *balancers)
    seen = status(deployment)
    assert seen.problems == []
    assert {rack.rackd.split(" ")[0] for rack in seen.racks} == {"running"}


def moments(lab: Lab, region: str) -> tuple[int, int]:
    """When regiond last stopped, and when it last became active, by the one clock of all hosts."""
    names = ("ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    show = lab.exec(region, "systemctl", "show", "-p", ",".join(names), "maas-regiond.service").stdout
    told = dict(line.split("=") for line in show.splitlines())
    return int(told[names[0]]), int(told[names[1]])


ROLL = ("drain this region", "wait for requests in flight", "{restart}", "health", "end the drain")
"""What is told of each region, in this order."""


def in_order(output: str, regions: Sequence[str], restart: str) -> None:
    """Each region goes through all of `ROLL`, its restart told as `restart`, after the one before it."""
    position = 0
    for text in (f"{region}: {step.format(restart=restart)}" for region in regions for step in ROLL):
        found = output.find(text, position)
        assert found >= 0, f"{text!r} isn't told in its turn:\n{output}"
        position = found


def watched_up(deployment: Deployment, drained: str, balancers: Sequence[str], regions: Sequence[str]) -> str:
    """Output of `up`, in the course of which each region was seen drained, alone, at every balancer."""
    process = deployment.start("up", "--yes", "--skip-preview", "--stack", STACK)
    assert process.stdout
    lines, seen = [], {}
    for line in process.stdout:
        lines.append(line)
        for region in regions:
            if f"{region}: {drained}" in line:
                asking = next(name for name in regions if name != region)
                seen[region] = [states(deployment.lab, name, asking=asking) for name in balancers]
    output = "".join(lines)
    assert process.wait() == 0, output
    for region in regions:
        others = {name: "UP" for name in regions if name != region}
        assert seen[region] == [{region: "DRAIN (agent)", **others}] * len(balancers), output
    return output
