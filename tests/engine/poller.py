"""A client that asks MAAS through the balancer all the while, and keeps what failed."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from types import TracebackType

SECONDS_BETWEEN = 0.05


@dataclass
class Poller:
    """`with Poller(url) as poller:` asks for the version until the block ends."""

    url: str
    tried: int = 0
    failed: list[str] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Poller:
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread:
            self._thread.join()

    def _poll(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN):
            self.tried += 1
            try:
                with urllib.request.urlopen(f"{self.url}/api/2.0/version/", timeout=10) as answer:  # noqa: S310  http
                    answer.read()
            except (OSError, urllib.error.URLError) as error:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {error}")
