"""A fault on purpose, for `maas-ha drill`: made on this host and undone by this host, whoever is still there to ask."""

from __future__ import annotations

import json
import os
import select
import socket
import time

from agent.bundle import HaproxySettings
from agent.commands import Commands
from agent.errors import StepError
from agent.interfaces import interface_with
from agent.keepalived import KeepalivedSettings
from agent.lock import locked
from agent.machine import Machine
from agent.packages import Packages
from agent.paths import Paths
from agent.records import Record, Records
from agent.report import STDOUT, Report, write
from agent.roles import role_class
from agent.signals import ignored
from agent.units import Units

FAULTS = {
    "kill": ("systemctl", "kill", "--signal=KILL"),
    "hang": ("systemctl", "kill", "--signal=STOP"),
    "stop": ("systemctl", "stop"),
}
USAGE = "drill look | drill region|haproxy kill|hang|stop SECONDS (until the end of standard input at most)"
ROLES_TO_DRILL = ("region", "haproxy")
TIMER = "maas-ha-drill"
"""Name of the transient timer that undoes the fault though the agent, too, was killed."""
LOCK_WAIT, MOST_SECONDS = 10.0, 300
MENDED_DEADLINE = 240.0
"""Seconds until the component is as it was; a region takes 16–18 s to start (maas-facts §0a row 8)."""


def is_drill(arguments: list[str]) -> bool:
    """True for `look` and `ROLE FAULT SECONDS`."""
    match arguments:
        case ["look"]:
            return True
        case [role, fault, seconds]:
            known = role in ROLES_TO_DRILL and fault in FAULTS
            return known and seconds.isdecimal() and 0 < int(seconds) <= MOST_SECONDS
    return False


def drill(paths: Paths, report: Report, arguments: list[str]) -> None:
    """Run one of the two. Raises `StepError`."""
    if arguments == ["look"]:
        seen = look(Commands(report), paths, Records(paths).all())
        write(STDOUT, json.dumps(seen, sort_keys=True) + "\n")
        return
    role, fault, seconds = arguments[0], arguments[1], int(arguments[2])
    with locked(paths, report, LOCK_WAIT) as descriptor:
        commands = Commands(report, descriptor)
        units = Units(commands, report, lambda name, before, verb: None)
        machine = Machine(paths, report, commands, units, Packages(paths, commands, report))
        _hold(machine, _record(Records(paths).all(), role), fault, seconds)


def look(commands: Commands, paths: Paths, records: list[Record]) -> dict[str, object]:
    """Whether clients come to this balancer, and how many sessions each region has had from it."""
    shared = [r.settings.virtual_address for r in records if isinstance(r.settings, KeepalivedSettings)]
    sessions: dict[str, int] = {}
    for record in records:
        if isinstance(record.settings, HaproxySettings):
            sessions = _sessions(paths, record.settings.stats_socket)
    return {"serves": all(interface_with(commands, address) for address in shared), "sessions": sessions}


def _record(records: list[Record], role: str) -> Record:
    found = next((record for record in records if record.role == role and record.units), None)
    if found is None:
        raise StepError(f"this host has no {role}")
    return found


def _hold(machine: Machine, record: Record, fault: str, seconds: int) -> None:
    """Make the fault, say so, and undo it at the end of standard input, after `seconds`, or by a signal."""
    unit = record.units[0]
    if not machine.units.state(unit).active:
        raise StepError(f"{unit} isn't active: a drill begins with what works", unit=unit)
    timer = ("systemd-run", "--quiet", "--collect", f"--unit={TIMER}", f"--on-active={seconds}s")
    machine.commands.run(*timer, "--timer-property=AccuracySec=1s", "sh", "-c", _mending(unit))
    try:
        machine.report.say(f"{fault} {unit}, for {seconds} s at most")
        write(STDOUT, "breaks\n")
        machine.commands.run(*FAULTS[fault], unit)
        _wait_for_end_of_input(seconds)
    finally:
        with ignored():
            machine.commands.run("sh", "-c", _mending(unit), timeout=120, hold_lock=True)
            machine.commands.run("systemctl", "stop", f"{TIMER}.timer", check=False)
            machine.wait(f"{unit} as before", MENDED_DEADLINE, lambda: _missing(machine, record), unit=unit)
    write(STDOUT, "mended\n")


def _mending(unit: str) -> str:
    """What undoes every fault, and does nothing where there is none."""
    return f"systemctl kill --signal=CONT {unit}; systemctl reset-failed {unit}; exec systemctl start {unit}"


def _missing(machine: Machine, record: Record) -> str:
    if not machine.units.state(record.units[0]).active:
        return f"{record.units[0]} isn't active"
    return next(iter(role_class(record.role).differences(machine, record)), "")


def _wait_for_end_of_input(seconds: float) -> None:
    """The operator's SSH session holds it open; it ends with the session, however that ends."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([0], [], [], left)
        if ready and not os.read(0, 4096):
            return


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
