"""Processes that the lab started: known by pid, start time and boot, so that a recycled pid is never touched."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# The process writes its own record before it becomes what was asked for, while it holds the lab's lock: a `lab up` that
# is killed at any moment leaves no process without a record.
RECORD_AND_EXEC = """
set -eu
record=$1 lock=$2
shift 2
start=$(cut -d' ' -f22 /proc/$$/stat)
echo "$$ $start $(cat /proc/sys/kernel/random/boot_id)" > "$record.new"
mv "$record.new" "$record"
eval "exec $lock>&-"
exec "$@"
"""


@dataclass(frozen=True)
class ProcessRecord:
    """One process of ours."""

    pid: int
    start: int
    """Field 22 of /proc/PID/stat: clock ticks from the machine's boot to the process's start."""
    boot_id: str

    def alive(self) -> bool:
        """Whether this very process, not another one with its number, still runs."""
        return self.boot_id == BOOT_ID.read_text().strip() and start_time(self.pid) == self.start

    def kill(self, timeout: float = 10.0) -> None:
        """SIGKILL it and its children, then wait until they are gone.

        Raises LabError where one doesn't go (stuck in the kernel).
        """
        self._signal(signal.SIGSTOP)  # so that it makes no child between the look and the end
        doomed = [record_of(child) for child in children(self.pid)] if self.alive() else []
        doomed.append(self)
        for record in doomed:
            record._signal(signal.SIGKILL)
        deadline = time.monotonic() + timeout
        for record in doomed:
            if record.alive() and not _ends(record.pid, deadline - time.monotonic()):
                raise LabError(f"process {record.pid} doesn't end after SIGKILL; see /proc/{record.pid}/stack")

    def _signal(self, number: signal.Signals) -> None:
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():  # the descriptor now pins the process: no other can take the number in between
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)


def _ends(pid: int, seconds: float) -> bool:
    """Whether a process ends, or has ended, within `seconds`."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        watched = select.poll()
        watched.register(descriptor, select.POLLIN)
        return bool(watched.poll(max(0, int(seconds * 1000))))
    finally:
        os.close(descriptor)


def record_of(pid: int) -> ProcessRecord:
    """The record of a running process; one that is never alive where it just ended."""
    started = start_time(pid)
    return ProcessRecord(pid, started if started is not None else -1, BOOT_ID.read_text().strip())


def start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot (proc(5), field 22); None for one that is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def read_record(path: Path) -> ProcessRecord | None:
    """The record in `path`; None where there is none."""
    try:
        pid, start, boot_id = path.read_text().split()
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LabError(f"{path} is no process record; remove it") from error
    return ProcessRecord(int(pid), int(start), boot_id)


def start_recorded(argv: Sequence[str], record: Path, lock: int, log: Path) -> None:
    """Start `argv` in a session of its own, its output in `log`; it has written `record` when this returns.

    Raises LabError when it can't start.
    """
    record.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["bash", "-c", RECORD_AND_EXEC, "lab", str(record), str(lock), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(lock,),
            start_new_session=True,
            cwd="/",
        )
    while not record.exists():
        if process.poll() is not None and not record.exists():
            raise LabError(f"{argv[0]} did not start; see {log}")
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    """Pids of a single-threaded process's direct children."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return _scan_children(pid)


def _scan_children(pid: int) -> list[int]:
    """For a kernel without CONFIG_PROC_CHILDREN, and for a process that is gone."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(int(entry.name))
    return found
