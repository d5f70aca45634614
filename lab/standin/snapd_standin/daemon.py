"""snapd itself: it only has to be there, since `snap` does the work in the stand-in."""

import socket
import threading
import time

from .places import Places

SEED_S = 1.0
"""How long a snapd that has just been installed takes no orders."""


def main() -> int:
    """Serve the socket that systemd passes, for ever."""
    threading.Thread(target=seed, args=(Places.here(),), daemon=True).start()
    with socket.socket(fileno=3) as listening:
        while True:
            connection, _ = listening.accept()
            connection.close()


def seed(places: Places) -> None:
    """The first start's work, after which the mark is there."""
    if not places.seeded.exists():
        time.sleep(SEED_S)
        places.seeded.parent.mkdir(parents=True, exist_ok=True)
        places.seeded.touch()
