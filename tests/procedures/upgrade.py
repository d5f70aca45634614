"""What the tests of an upgrade have in common: a repository of a newer MAAS on every host, and what is seen of it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.cluster import Lab
from lab.standin.build import build
from tests.engine.deployment import STACK, Cluster, Deployment

SOURCE = "/etc/apt/sources.list.d/newer.list"
FOLDER = "/srv/newer"
DUMPS = "/var/backups/maas-ha"
CONTROLLERS = {
    "rack1": "maas-rack-controller",
    "rack2": "maas-rack-controller",
    "region1": "maas-region-api",
    "region2": "maas-region-api",
}
"""Host → the package that makes it a controller."""


def offer(lab: Lab, version: str, scratch: Path) -> None:
    """From now on every host's apt has the packages of MAAS `version`."""
    debs = build(version, scratch / version)
    argv = ["dpkg-scanpackages", "--multiversion", "."]
    index = subprocess.run(argv, cwd=scratch / version, capture_output=True, text=True, check=True).stdout
    for host in lab.hosts:
        folder = Path(f"/proc/{lab.leader_pid(host.name)}/root{FOLDER}")
        folder.mkdir(exist_ok=True)
        for deb in debs:
            if not deb.name.startswith("snapd"):
                (folder / deb.name).write_bytes(deb.read_bytes())
        (folder / "Packages").write_text(index)
        lab.exec(host.name, "tee", SOURCE, input=f"deb [trusted=yes] file:{FOLDER} ./\n")


def wants(cluster: Cluster, version: str) -> None:
    """The stack file asks for MAAS `version`."""
    maas = cluster["maas"]
    assert isinstance(maas, dict)
    maas["version"] = version


def versions(lab: Lab) -> dict[str, str]:
    """Host → `MAJOR.MINOR` of its controller's package."""
    found = {}
    for host, package in CONTROLLERS.items():
        told = lab.exec(host, "dpkg-query", "--show", "--showformat=${Version}", package).stdout
        found[host] = ".".join(told.partition(":")[2].split(".")[:2])
    return found


@dataclass(frozen=True)
class Update:
    """A `pulumi up` and when it said what."""

    code: int
    lines: list[tuple[float, str]]

    @classmethod
    def run(cls, deployment: Deployment, on: str = "", then: Callable[[], object] = lambda: None) -> Update:
        """Run it; at the first line with the text `on` do what comes `then`."""
        process = deployment.start("up", "--yes", "--skip-preview", "--stack", STACK)
        assert process.stdout
        lines: list[tuple[float, str]] = []
        for line in process.stdout:
            if on and on in line and not any(on in earlier for _, earlier in lines):
                then()
            lines.append((time.time(), line))
        return cls(process.wait(), lines)

    @property
    def output(self) -> str:
        """All that was said."""
        return "".join(line for _, line in self.lines)

    @property
    def whole(self) -> tuple[float, float]:
        """When its first and its last word was said."""
        return self.lines[0][0], self.lines[-1][0]

    def hosts_saying(self, text: str) -> list[str]:
        """The host of each line in which an agent says `text`."""
        return [line.split(f": {text}")[0].rpartition(" ")[2] for _, line in self.lines if f": {text}" in line]

    def between(self, first: str, then: str) -> tuple[float, float]:
        """When the text `first` was said, and when, after it, `then`."""
        begin = next(when for when, line in self.lines if first in line)
        return begin, next(when for when, line in self.lines if then in line and when >= begin)


@dataclass(frozen=True)
class Dump:
    """A dump of the database on a region's host."""

    host: str
    name: str
    mode: str
    owner: str


def dumps(lab: Lab, host: str = "region1") -> list[Dump]:
    """What is in the folder of dumps on `host`, oldest first."""
    shown = lab.exec(host, "sh", "-c", f"cd {DUMPS} && stat -c '%n %a %U' * || true").stdout
    return [Dump(host, *line.split()) for line in shown.splitlines()]


@contextmanager
def restored(lab: Lab, dump: Dump) -> Iterator[Callable[[str], list[str]]]:
    """The dump in a database of its own: what asks it."""
    content = Path(f"/proc/{lab.leader_pid(dump.host)}/root{DUMPS}/{dump.name}").read_bytes()
    copy = Path(f"/proc/{lab.leader_pid('db1')}/root/var/lib/postgresql/restored.dump")
    copy.write_bytes(content)

    def run(*argv: str) -> str:
        return lab.exec("db1", "runuser", "-u", "postgres", "--", *argv).stdout

    run("createdb", "restored")
    try:
        run("pg_restore", "--exit-on-error", "--dbname=restored", "/var/lib/postgresql/restored.dump")
        yield lambda query: run("psql", "-XAtq", "-d", "restored", "-c", query).splitlines()
    finally:
        run("dropdb", "restored")


def entered(lab: Lab, host: str, unit: str) -> int:
    """When the unit last became active, in microseconds of the one clock of all hosts."""
    shown = lab.exec(host, "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "--value", unit).stdout
    return int(shown)


def lost_all_regions(lab: Lab, rack: str) -> list[int]:
    """When, since its last start, rackd lost its last region, by the same clock."""
    argv = ("journalctl", "-q", "-u", "maas-rackd.service", "-o", "json", "--output-fields=MESSAGE")
    entries = [json.loads(line) for line in lab.exec(rack, *argv).stdout.splitlines()]
    since = entered(lab, rack, "maas-rackd.service")
    found = [int(one["__MONOTONIC_TIMESTAMP"]) for one in entries if "Lost all connections" in str(one["MESSAGE"])]
    return [moment for moment in found if moment > since]
