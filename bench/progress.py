"""What is being measured, on standard error."""

from __future__ import annotations

import sys
import time

_BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"bench: {time.monotonic() - _BEGAN:6.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201
