"""A fault on purpose, for `maas-ha drill`: made on this host and undone by this host, whoever is still there to ask."""

from __future__ import annotations

import ipaddress
import json
import os
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass

from agent.bundle import DhcpSettings, RackSettings, RegionSettings
from agent.cluster_settings import PatroniSettings
from agent.commands import Commands
from agent.drill_look import look
from agent.drill_writes import NAMES, write_on
from agent.errors import StepError
from agent.lock import locked
from agent.machine import Machine
from agent.mutual_tls import NoAnswerError
from agent.packages import Packages
from agent.packaging import dhcpd_unit, region_unit
from agent.paths import Paths
from agent.patroni import UP, Patroni
from agent.records import Record, Records
from agent.report import STDOUT, Report, write
from agent.roles import role_class
from agent.signals import ignored
from agent.units import Units

USAGE = (
    "drill look | drill region|haproxy|patroni|rack kill|hang|off|cut SECONDS [ADDRESS…] |"
    " drill writes region|patroni SECONDS (the last two until the end of standard input at most)"
)
KILL, HANG, OFF, CUT = "kill", "hang", "off", "cut"
FAULTS = (KILL, HANG, OFF, CUT)
"""SIGKILL, after which systemd does what it does; SIGSTOP; SIGKILL, and it stays down; no way to the addresses."""
ROLES_TO_DRILL = ("region", "haproxy", "patroni", "rack")
TIMER = "maas-ha-drill"
"""Name of the transient timer that undoes the fault though the agent, too, was killed."""
LOCK_WAIT, MOST_SECONDS = 10.0, 300
MENDED_DEADLINE = 240.0
"""Seconds until the component is as it was; a region takes 16–18 s to start (maas-facts §0a row 8)."""


def is_drill(arguments: list[str]) -> bool:
    """True for what `USAGE` says, without its first word."""
    match arguments:
        case ["look"]:
            return True
        case ["writes", name, seconds]:
            return name in NAMES and _is_time(seconds)
        case [role, fault, seconds, *addresses]:
            known = role in ROLES_TO_DRILL and fault in FAULTS and _is_time(seconds)
            return known and bool(addresses) == (fault == CUT) and all(map(_is_address, addresses))
    return False


def _is_time(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= MOST_SECONDS


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def drill(paths: Paths, report: Report, arguments: list[str]) -> None:
    """Run one of the three. Raises `StepError`."""
    if arguments[0] == "look":
        seen = look(Commands(report), paths, Records(paths).all())
        write(STDOUT, json.dumps(seen, sort_keys=True) + "\n")
    elif arguments[0] == "writes":
        write_on(arguments[1], Commands(report), int(arguments[2]))
    else:
        role, fault, seconds, *addresses = arguments
        with locked(paths, report, LOCK_WAIT) as descriptor:
            commands = Commands(report, descriptor)
            units = Units(commands, report, lambda name, before, verb: None)
            machine = Machine(paths, report, commands, units, Packages(paths, commands, report))
            _Fault(machine, Records(paths).all(), role, fault, tuple(addresses)).hold(int(seconds))


@dataclass(frozen=True)
class _Fault:
    """What is done to this host."""

    machine: Machine
    records: Sequence[Record]
    role: str
    fault: str
    addresses: tuple[str, ...]

    def hold(self, seconds: int) -> None:
        """Make the fault, say so, and undo it at the end of standard input, after `seconds`, or by a signal."""
        machine, units = self.machine, self._units()
        for unit in units:
            if not machine.units.state(unit).active:
                raise StepError(f"{unit} isn't active: a drill begins with what works", unit=unit)
        undo = self._undo(units)
        timer = ("systemd-run", "--quiet", "--collect", f"--unit={TIMER}", f"--on-active={seconds}s")
        machine.commands.run(*timer, "--timer-property=AccuracySec=1s", "sh", "-c", undo)
        try:
            machine.report.say(f"{self.fault} {', '.join(units)}, for {seconds} s at most")
            write(STDOUT, "breaks\n")
            machine.commands.run("sh", "-ec", self._do(units))
            write(STDOUT, "broken\n")
            _wait_for_end_of_input(seconds)
        finally:
            with ignored():
                machine.commands.run("sh", "-c", undo, timeout=120, hold_lock=True)
                machine.commands.run("systemctl", "stop", f"{TIMER}.timer", check=False)
                machine.wait(f"{units[0]} as before", MENDED_DEADLINE, self._missing, unit=units[0])
        write(STDOUT, "mended\n")

    def _units(self) -> list[str]:
        """What has the fault; a rack's dhcpd, too, which would be stopped with it and not killed."""
        record = next((record for record in self.records if record.role == self.role and record.units), None)
        if record is None:
            raise StepError(f"this host has no {self.role}")
        unit = unit_of(record)
        if isinstance(record.settings, RackSettings):
            dhcpd = dhcpd_unit(record.settings.packaging)
            if dhcpd.endswith(".service") and self.machine.units.state(dhcpd).active:
                return [dhcpd, unit]
        return [unit]

    def _do(self, units: Sequence[str]) -> str:
        names = " ".join(units)
        if self.fault == CUT:
            return "; ".join(f"{_route('add', address)}" for address in self.addresses)
        if self.fault == HANG:
            return f"systemctl kill --signal=STOP {names}"
        stay = f"; systemctl stop {names}" if self.fault == OFF else ""
        return f"systemctl kill --signal=KILL {names}{stay}"

    def _undo(self, units: Sequence[str]) -> str:
        """What undoes the fault, and does nothing where there is none. MAAS itself starts a rack's dhcpd."""
        if self.fault == CUT:
            return "; ".join([*(_route("del", address) for address in self.addresses), "true"])
        names, unit = " ".join(units), units[-1]
        return f"systemctl kill --signal=CONT {names}; systemctl reset-failed {names}; exec systemctl start {unit}"

    def _missing(self) -> str:
        """What isn't as before: the component, or, of a rack, its DHCP pairs."""
        for record in self.records:
            if record.role == self.role or (self.role == "rack" and isinstance(record.settings, DhcpSettings)):
                for unit in record.units:
                    if not self.machine.units.state(unit).active:
                        return f"{unit} isn't active"
                if found := role_class(record.role).differences(self.machine, record):
                    return found[0]
                if isinstance(record.settings, PatroniSettings) and (out := self._out_of_the_cluster(record)):
                    return out
        return ""

    def _out_of_the_cluster(self, record: Record) -> str:
        """What the cluster lacks, as this host sees it: a leader, or a replica that runs."""
        assert isinstance(record.settings, PatroniSettings)  # noqa: S101 - the caller has looked
        try:
            members = Patroni(self.machine.paths, {record.host: record.settings.address}).members()
        except NoAnswerError as error:
            return error.cause
        if not any(member.leads for member in members):
            return "no host leads"
        down = [member.name for member in members if member.state not in UP]
        if record.host not in [member.name for member in members]:
            down.append(record.host)
        return f"PostgreSQL isn't up on {', '.join(down)}" if down else ""


def unit_of(record: Record) -> str:
    """The one without which the role isn't there: of a region's units, regiond's."""
    settings = record.settings
    if isinstance(settings, RegionSettings):
        return region_unit(settings.packaging, settings.maas_version)
    return record.units[0]


def _route(verb: str, address: str) -> str:
    """A route into nothing: no answer leaves this host, whatever way packets come."""
    family, bits = ("-6", 128) if ":" in address else ("-4", 32)
    return f"ip {family} route {verb} blackhole {address}/{bits} metric 1"


def _wait_for_end_of_input(seconds: float) -> None:
    """The operator's SSH session holds it open; it ends with the session, however that ends."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([0], [], [], left)
        if ready and not os.read(0, 4096):
            return
