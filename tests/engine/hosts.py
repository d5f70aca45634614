"""What the tests look at on the lab's hosts, past SSH, so that looking opens no connection."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab.cluster import Lab


def unit_starts(lab: Lab) -> dict[str, str]:
    """`HOST UNIT` → when it became active, of every active service on every host."""
    starts = {}
    for host in lab.hosts:
        listed = lab.exec(host.name, "systemctl", "list-units", "--type=service", "--state=active", "-o", "json").stdout
        units = [entry["unit"] for entry in json.loads(listed) if not re.match(r"user|systemd-|session", entry["unit"])]
        shown = lab.exec(host.name, "systemctl", "show", "-p", "Id,ActiveEnterTimestampMonotonic", *units).stdout
        for block in shown.strip().split("\n\n"):
            fields = dict(line.split("=", 1) for line in block.splitlines())
            starts[f"{host.name} {fields['Id']}"] = fields["ActiveEnterTimestampMonotonic"]
    return starts


def ssh_logins(lab: Lab) -> dict[str, int]:
    """Host → SSH logins so far."""
    return {host.name: _count(lab, host.name, "Accepted publickey") for host in lab.hosts}


def ssh_connections(lab: Lab) -> dict[str, int]:
    """Host → TCP connections that sshd has accepted so far, logged in or not."""
    counted = {}
    for host in lab.hosts:
        counted[host.name] = _count(lab, host.name, "Connection from|Accepted|Connection closed|Connection reset")
    return counted


def _count(lab: Lab, host: str, pattern: str) -> int:
    log = lab.exec(host, "journalctl", "-q", "-t", "sshd", "--output=cat").stdout
    return sum(bool(re.search(pattern, line)) for line in log.splitlines())


def sql(lab: Lab, query: str, host: str = "db1") -> list[str]:
    """Rows of `query` in MAAS's database, columns split by `|`."""
    argv = ("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "maasdb", "-c", query)
    return lab.exec(host, *argv).stdout.splitlines()


NOT_SEARCHED = ("dev", "proc", "srv/packages", "sys", "usr/bin", "usr/lib", "usr/sbin", "usr/share")
"""Folders of the kernel's, of the lab's, and of what packages bring."""


def files_holding(lab: Lab, host: str, secrets: dict[str, str]) -> Iterator[tuple[str, int, set[str]]]:
    """Path, mode and names of the secrets in it, of every file of `host` that holds one of `secrets`."""
    root = Path(f"/proc/{lab.leader_pid(host)}/root")
    for folder, below, names in os.walk(root):
        here = Path(folder)
        below[:] = [name for name in below if str((here / name).relative_to(root)) not in NOT_SEARCHED]
        for name in names:
            path = here / name
            with suppress(FileNotFoundError):  # a running host's files come and go
                status = path.lstat()
                content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
                holds = {label for label, secret in secrets.items() if secret.encode() in content}
                if holds:
                    yield str(path.relative_to(root)), stat.S_IMODE(status.st_mode), holds


def packages(lab: Lab, host: str) -> set[str]:
    """Names of the packages that a host has, or of which it still has configuration."""
    return set(lab.exec(host, "dpkg-query", "--show", "--showformat=${Package}\n").stdout.split())
