"""What a drill asks a host before it begins: whom a fault would hit."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from agent.bundle import HaproxySettings
from agent.cluster_settings import PatroniSettings
from agent.commands import Commands
from agent.interfaces import interface_with
from agent.keepalived import KeepalivedSettings
from agent.mutual_tls import NoAnswerError
from agent.paths import Paths
from agent.patroni import Patroni
from agent.records import Record


def look(commands: Commands, paths: Paths, records: Sequence[Record]) -> dict[str, object]:
    """Whether clients come to this balancer, how many sessions each region has had from it, which database leads, and
    this host's clock (Unix time)."""
    shared = [r.settings.virtual_address for r in records if isinstance(r.settings, KeepalivedSettings)]
    sessions: dict[str, int] = {}
    leader = ""
    for record in records:
        if isinstance(record.settings, HaproxySettings):
            sessions = _sessions(paths, record.settings.stats_socket)
        elif isinstance(record.settings, PatroniSettings):
            leader = _leader(Patroni(paths, {record.host: record.settings.address}))
    serves = all(interface_with(commands, address) for address in shared)
    return {"serves": serves, "sessions": sessions, "leader": leader, "time": time.time()}


def _leader(cluster: Patroni) -> str:
    try:
        return cluster.leader()
    except NoAnswerError:
        return ""


def _sessions(paths: Paths, stats_socket: str) -> dict[str, int]:
    """Server → sessions since HAProxy started, summed over its routes; empty if HAProxy doesn't answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(paths.at(stats_socket)))
            connection.sendall(b"show stat -1 4 -1\n")
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
    except OSError:
        return {}
    return count_sessions(answer.decode(errors="replace"))


def count_sessions(table: str) -> dict[str, int]:
    """HAProxy's CSV, headed by a line with `#`: the column `stot` of each server."""
    lines = [line.split(",") for line in table.lstrip("# ").splitlines() if line]
    if not lines:
        return {}
    name, total = lines[0].index("svname"), lines[0].index("stot")
    found: dict[str, int] = {}
    for line in lines[1:]:
        found[line[name]] = found.get(line[name], 0) + int(line[total] or 0)
    return found
