"""snapd itself: it only has to be there, since `snap` does the work in the stand-in."""

import socket


def main() -> int:
    """Serve the socket that systemd passes, for ever."""
    with socket.socket(fileno=3) as listening:
        while True:
            connection, _ = listening.accept()
            connection.close()
