"""`drain-responder ADDRESS PORT LOCK`: tells each balancer that asks whether this region takes new connections.

The unit of a region's host that HAProxy's `agent-check` asks: one word, whoever asks and whatever they send. The region
is drained while another process holds a lock on the file LOCK: the kernel ends that with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import socket
import sys
from contextlib import suppress
from pathlib import Path

DRAIN, READY = b"drain\n", b"ready\n"
"""HAProxy's words: no new connections; whatever its health checks say."""


def word(lock: Path) -> bytes:
    """What the balancers are told now."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return READY
    except BlockingIOError:
        return DRAIN
    return READY


def serve(address: str, port: int, lock: Path) -> None:
    """Answer for ever. Raises `OSError` if the address isn't there (yet): the unit is started again then."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=64) as server:
        while True:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.settimeout(1)
                connection.sendall(word(lock))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
