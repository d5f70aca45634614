"""Stands for the region's nginx on port 5240: forwards to the workers' sockets, and answers 502 without one."""

import socket
import socketserver
import sys
import threading
from pathlib import Path

BAD_GATEWAY = b"HTTP/1.0 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: "FrontDoor"

    def handle(self) -> None:
        """Join the client with a worker."""
        worker = self.server.worker()
        if worker is None:
            self.request.recv(65536)
            self.request.sendall(BAD_GATEWAY)
            return
        threading.Thread(target=pump, args=(self.request, worker), daemon=True).start()
        pump(worker, self.request)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side may go first


class FrontDoor(socketserver.ThreadingTCPServer):
    """The listener."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, state: Path) -> None:
        super().__init__(("", 5240), Handler)
        self._state = state
        self._turn = 0

    def worker(self) -> socket.socket | None:
        """A connection to the next worker that takes one."""
        paths = sorted(self._state.glob("maas-regiond-webapp.sock.*"))
        self._turn += 1
        for path in paths[self._turn % max(len(paths), 1) :] + paths[: self._turn % max(len(paths), 1)]:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(path))
            except OSError:
                connection.close()
                continue
            return connection
        return None


if __name__ == "__main__":
    FrontDoor(Path(sys.argv[1])).serve_forever()
