"""A command run to its end: its time, and the memory of it and all that it starts."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.1
LONGEST = 1200.0
"""Seconds that a command may take; it is ended then, and has failed."""
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")

PROGRAMS = {
    "the list of Python packages": "pip list",
    "the program": "pulumi-language",
    "plugins": "python",
    "the engine": "",
}
"""Whose processor time it is → what its command line has; the first that fits."""


class CommandError(Exception):
    """A command that was to succeed and didn't."""


@dataclass
class Memory:
    """Most memory seen, in bytes."""

    all: int = 0
    """Of all processes at one time."""
    biggest: int = 0
    """Of one process."""
    name: str = ""
    """Which one that was."""
    processor: dict[str, float] = field(default_factory=dict)
    """Program → seconds of processor time, as far as looked at."""


@dataclass(frozen=True)
class Run:
    """A command that has ended well."""

    seconds: float
    output: str
    memory: Memory
    lines: list[tuple[float, str]] = field(default_factory=list)
    """Every line of the output, and when it came, in seconds from the start."""


def run(
    argv: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stdin: str = "",
    look_at_memory: bool = False,
) -> Run:
    """Run `argv`; raises CommandError with the end of what it said where it fails."""
    memory, lines = Memory(), []
    with tempfile.TemporaryFile("w+") as given:
        given.write(stdin)
        given.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with _looking(lambda: _look(process.pid, memory)) if look_at_memory else nullcontext():
            assert process.stdout  # noqa: S101 - for the types
            limit = threading.Timer(LONGEST, process.kill)
            limit.start()
            try:
                for line in process.stdout:
                    lines.append((time.perf_counter() - began, line.rstrip("\n")))
                code = process.wait()
            finally:
                limit.cancel()
        seconds = time.perf_counter() - began
    output = "\n".join(line for _, line in lines)
    if code:
        raise CommandError(f"{' '.join(argv)[:300]}: exit {code}\n{output[-3000:]}")
    return Run(seconds, output, memory, lines)


class _looking:  # noqa: N801 - reads as a function
    """`with _looking(look):` looks again and again until the block ends."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self._done = look, threading.Event()
        self._thread = threading.Thread(target=self._again, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _again(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            self._look()


def _look(pid: int, memory: Memory) -> None:
    total, used = 0, dict.fromkeys(memory.processor, 0.0)
    for each in tree(pid):
        with suppress(OSError, IndexError):
            resident = int(Path(f"/proc/{each}/statm").read_text().split()[1]) * PAGE
            total += resident
            if resident > memory.biggest:
                memory.biggest, memory.name = resident, _name(each)
            used[_name(each)] = used.get(_name(each), 0) + _processor(each)
    memory.all = max(memory.all, total)
    for name, seconds in used.items():
        memory.processor[name] = max(memory.processor.get(name, 0), seconds)


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return " ".join(Path(word).name for word in words[:4] if word and word[0] != "-" and ":" not in word)[:60]


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def shares(processor: Mapping[str, float]) -> dict[str, float]:
    """Processor time by whose it is."""
    found = dict.fromkeys(PROGRAMS, 0.0)
    for program, seconds in processor.items():
        if not program:
            continue  # it was just ending, and has been counted under its name
        found[next(part for part, words in PROGRAMS.items() if words in program)] += seconds
    return found
