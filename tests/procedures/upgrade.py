"""What the tests of an upgrade have in common: a repository of a newer MAAS on every host, and what is seen of it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from lab.cluster import Lab
from lab.standin.build import build
from tests.engine.deployment import Cluster

SOURCE = "/etc/apt/sources.list.d/newer.list"
FOLDER = "/srv/newer"
DUMPS = "/var/backups/maas-ha"


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


def versions(lab: Lab, packages: Mapping[str, str]) -> dict[str, str]:
    """Host → `MAJOR.MINOR` of its package."""
    found = {}
    for host, package in packages.items():
        told = lab.exec(host, "dpkg-query", "--show", "--showformat=${Version}", package).stdout
        found[host] = ".".join(told.partition(":")[2].split(".")[:2])
    return found


def dumps(lab: Lab, host: str = "region1") -> list[str]:
    """Names of the dumps on `host`."""
    return lab.exec(host, "sh", "-c", f"ls {DUMPS} 2>/dev/null || true").stdout.split()


def entered(lab: Lab, host: str, unit: str) -> int:
    """When the unit last became active, by the one clock of all hosts."""
    shown = lab.exec(host, "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "--value", unit).stdout
    return int(shown)
