"""A process that only listens on ports and holds three PostgreSQL connections.

Stands for maas-apiserver, maas-temporal and the internal API of MAAS ≥ 3.5 (maas-facts §7, §8).
"""

import argparse
import selectors
import socket
import sys
import time

import psycopg2

from . import db, region
from .paths import Paths, read_text
from .region import StartError

CONNECTIONS = 3


def main(arguments: list[str]) -> int:
    """`python3 -m maas_standin.listener [--name NAME] PORT…`, until killed."""
    parser = argparse.ArgumentParser(prog="maas_standin.listener")
    parser.add_argument("--name", default="maas-apiserver", help="prefix of the connections' application_name")
    parser.add_argument("ports", nargs="*", type=int)
    options = parser.parse_args(arguments)
    sockets = [socket.create_server(("", port)) for port in options.ports]
    held = _hold(options.name)
    with selectors.DefaultSelector() as selector:
        for listening in sockets:
            selector.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(timeout=60):
                connection, _address = key.fileobj.accept()  # type: ignore[union-attr]
                connection.close()
            if any(connection.closed for connection in held):
                held = _hold(options.name)


def _hold(name: str) -> list[db.Connection]:
    """Three connections; tries each second until the database answers."""
    paths = Paths.here()
    while True:
        try:
            config = region.read_host(paths).config
            title = f"{name}-{read_text(paths.maas_id) or region.NO_ID}"
            return [db.connect(config, title) for _ in range(CONNECTIONS)]
        except (StartError, psycopg2.OperationalError):
            time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
