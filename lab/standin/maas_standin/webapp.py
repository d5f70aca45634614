"""One worker's HTTP server, on the socket that nginx forwards to."""

import http.server
import logging
import socketserver
import threading
import traceback
from http import HTTPStatus
from pathlib import Path

import psycopg2

from . import api
from .pool import Pool
from .power import Racks
from .web import Request, Response

log = logging.getLogger("maasserver.webapp")

INTERNAL_ERROR = Response.text("Internal Server Error", HTTPStatus.INTERNAL_SERVER_ERROR)


class Server:
    """Serves in threads until `stop`."""

    def __init__(self, socket_path: Path, pool: Pool, racks: Racks) -> None:
        self._path = socket_path
        self._path.unlink(missing_ok=True)
        self._server = _UnixServer(str(socket_path), _Handler)
        self._server.pool = pool
        self._server.racks = racks
        # nginx runs as another user and must be able to connect.
        socket_path.chmod(0o666)

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def stop(self) -> None:
        """Stop answering; nginx says 502 from now (maas-facts §0a, row 8)."""
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    pool: Pool
    racks: Racks


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _UnixServer
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request.parse(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        try:
            response = api.answer(request, self.server.pool, self.server.racks)
        except psycopg2.Error as error:
            # With the database down, at once (maas-facts §0a, row 8).
            log.error("500 Internal Server Error @ %s: %s", self.path, str(error).strip())
            response = INTERNAL_ERROR
        except Exception:  # noqa: BLE001 - a fault of one request must not end the worker
            log.error("500 Internal Server Error @ %s\n%s", self.path, traceback.format_exc())
            response = INTERNAL_ERROR
        self._send(response)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """MAAS doesn't log each request of its own health checks either."""
