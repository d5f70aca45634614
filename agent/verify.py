"""Compare the host with the records of its components; nothing is changed."""

from __future__ import annotations

import grp
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from agent import disk
from agent.machine import Machine
from agent.records import FileRecord, Record
from agent.roles import role_class


@dataclass(frozen=True)
class Difference:
    """One thing that isn't as the last apply left it."""

    component: str
    text: str


def verify(machine: Machine, records: list[Record]) -> list[Difference]:
    """All differences of all components, in the order of their names."""
    found = [Difference(r.component, text) for r in records for text in _of_files(machine, r)]
    states = machine.units.states(unit for record in records for unit in record.units)
    for record in records:
        for unit in record.units:
            if not states[unit].active:
                found.append(Difference(record.component, f"{unit} isn't active"))
            if not states[unit].enabled:
                found.append(Difference(record.component, f"{unit} isn't enabled"))
        found += [Difference(record.component, text) for text in role_class(record.role).differences(machine, record)]
    return sorted(found, key=lambda difference: difference.component)


def _of_files(machine: Machine, record: Record) -> list[str]:
    return [text for file in record.files for text in _of_file(machine.paths.at(file.path), file)]


def _of_file(path: Path, file: FileRecord) -> list[str]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return [f"{file.path} is missing"]
    if not stat.S_ISREG(status.st_mode):
        return [f"{file.path} is no regular file"]
    found = []
    if disk.sha256(path.read_bytes()) != file.sha256:
        found.append(f"{file.path} has other content")
    owner = f"{_name_of_user(status.st_uid)}:{_name_of_group(status.st_gid)}"
    if owner != f"{file.owner}:{file.group}":
        found.append(f"{file.path} belongs to {owner} instead of {file.owner}:{file.group}")
    if stat.S_IMODE(status.st_mode) != file.mode:
        found.append(f"{file.path} has mode {stat.S_IMODE(status.st_mode):04o} instead of {file.mode:04o}")
    return found


def _name_of_user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _name_of_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
