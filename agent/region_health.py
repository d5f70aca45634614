"""Whether a region works, and what it complains of: its event loops and its log (maas-facts §0a row 2, §10)."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from pathlib import Path

from agent.bundle import RegionSettings
from agent.errors import StepError
from agent.maas_api import event_loops
from agent.machine import Machine, Work
from agent.packaging import RELEASES, region_log, region_unit

OWN_URL = "http://127.0.0.1:5240/MAAS"
MAX_WORKERS = 10
"""Event loops that find a port in 5250–5259 (maas-facts §2)."""
MAX_FINDINGS = 5
MAX_FINDING = 200
"""Characters of one finding."""
MAX_READ = 4 * 1024 * 1024
"""Bytes of a log that are looked through, its last ones."""
STAMP = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\s+")
ERROR = re.compile(r'\[(?:error|critical)\]|\b(?:ERROR|CRITICAL|FATAL)\b|"level":"(?:error|fatal)"')


class RegionLog:
    """What the region logs from now on: regiond.log up to 3.4, the journal from 3.5 on."""

    def __init__(self, work: Work, settings: RegionSettings) -> None:
        self._work = work
        self._units = region_log_units(settings)
        log = region_log(settings.packaging, settings.maas_version)
        self._file = work.paths.at(log) if log else None
        self._since = time.time()
        self._position = _position(self._file) if self._file else (0, 0)

    def findings(self) -> list[str]:
        """Error lines without their time, equal ones once, at most `MAX_FINDINGS` and how many more; masked."""
        mask = self._work.report.masker.mask
        seen = Counter(mask(STAMP.sub("", line))[:MAX_FINDING] for line in self._lines() if ERROR.search(line))
        told = [f"{text} ({count} times)" if count > 1 else text for text, count in seen.items()]
        more = len(told) - MAX_FINDINGS
        return told[:MAX_FINDINGS] + ([f"and {more} more"] if more > 0 else [])

    def _lines(self) -> list[str]:
        if self._file:
            return _read_from(self._file, self._position).splitlines()
        units = [part for unit in self._units for part in ("--unit", unit)]
        argv = ("journalctl", *units, f"--since=@{self._since:.6f}", "--output=cat", "--no-pager", "--quiet")
        return self._work.commands.run(*argv, check=False).stdout.splitlines()


def region_log_units(settings: RegionSettings) -> tuple[str, ...]:
    """Units whose journal tells of the region."""
    unit = region_unit(settings.packaging, settings.maas_version)
    return (unit, *(RELEASES[settings.maas_version].region_services if settings.packaging == "deb" else ()))


def missing_event_loops(machine: Machine, workers: int) -> str:
    """What `/MAAS/rpc/` here still lacks, or ""."""
    try:
        names = event_loops(OWN_URL)
    except (OSError, StepError) as error:
        return f"{OWN_URL}/rpc/: {error}"
    alive = [name for name in names if is_own(name) and _lives(machine, name)]
    wanted = min(workers, MAX_WORKERS)
    return "" if len(alive) >= wanted else f"{len(alive)} of {wanted} event loops of this host are listed"


def url_of(address: str, tls_port: int = 0) -> str:
    """A region's own API; over TLS where MAAS has it, on `tls_port`."""
    host = f"[{address}]" if ":" in address else address
    return f"https://{host}:{tls_port}/MAAS" if tls_port else f"http://{host}:5240/MAAS"


def is_own(event_loop: str) -> bool:
    """True for an event loop of this host."""
    return event_loop.partition(":")[0] in (socket.gethostname(), socket.gethostname().partition(".")[0])


def _lives(machine: Machine, event_loop: str) -> bool:
    """False for the row of a process that has died, which MAAS lists for up to 150 s (maas-facts §0a row 4.6)."""
    pid = event_loop.partition(":pid=")[2]
    return not pid.isdigit() or machine.paths.at(f"/proc/{pid}").exists()


def advice_on_workers(workers: int, cpus: int) -> str:
    """What speaks against so many workers on this host, or "" (maas-facts §2)."""
    if workers <= cpus:
        return ""
    return f"{workers} workers share {cpus} CPU{'s' if cpus > 1 else ''}: MAAS's documentation advises one a CPU"


def _position(file: Path) -> tuple[int, int]:
    """Inode and size; zeros for a file that isn't there yet."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_size


def _read_from(file: Path, position: tuple[int, int]) -> str:
    """What came after `position`; all of a file that is another one by now."""
    inode, size = _position(file)
    if not inode:
        return ""
    start = position[1] if (inode == position[0] and size >= position[1]) else 0
    with file.open("rb") as log:
        log.seek(max(start, size - MAX_READ))
        return log.read(MAX_READ).decode(errors="replace")
