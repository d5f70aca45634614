"""What `ps` would have shown: arguments and environment of every process, the hosts' among them, for a while."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

SECONDS_BETWEEN = 0.02


class ProcessWatch:
    """`with ProcessWatch() as watch:` gathers until the block ends; the hosts' processes are this machine's too."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> ProcessWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def holding(self, text: str) -> list[bytes]:
        """What was seen that holds `text`."""
        return [entry for entry in self.seen if text.encode() in entry]

    def _watch(self) -> None:
        own = str(os.getpid())
        while not self._done.wait(SECONDS_BETWEEN):
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and process.name != own:
                    self._look(process)

    def _look(self, process: Path) -> None:
        with suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            if arguments and arguments not in self.seen:  # a new program: its environment is new as well
                self.seen.add(arguments)
                self.seen.add((process / "environ").read_bytes())
