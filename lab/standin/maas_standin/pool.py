"""The PostgreSQL connections of one regiond process."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2
import psycopg2.extensions

from . import db
from .config import RegionConfig
from .db import Connection, Cursor

T = TypeVar("T")

LIMIT = 9
"""`max_threads_for_database_pool`; with the listener's connection ten a process (maas-facts §7)."""
RETRIES = 10
"""How often MAAS runs a transaction again that REPEATABLE READ refused."""
REFUSED = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.UniqueViolation,
)
FIRST_PAUSE_S, GROWTH, LONGEST_PAUSE_S = 0.01, 2.5, 10.0
"""Before it does: at random up to a bound that grows, so that rivals for one row find their turn."""


class Pool:
    """At most nine connections, `keep` of which stay open while idle; safe to use from several threads."""

    def __init__(self, config: RegionConfig, application_name: str, keep: int) -> None:
        self._config = config
        self._name = application_name
        self._keep = keep
        self._slots = threading.BoundedSemaphore(LIMIT)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._open = 0

    def fill(self) -> None:
        """Open the idle connections now. Raises psycopg2.OperationalError."""
        while self._open < self._keep:
            connection = self._connect()
            with self._lock:
                self._idle.append(connection)

    def transaction(self, work: Callable[[Cursor], T]) -> T:
        """Run `work` in a transaction, again when another one got in its way.

        Raises psycopg2.Error when the database doesn't answer, and whatever `work` raises, both after a rollback.
        """
        with self._slots:
            connection = self._take()
            try:
                return _run(connection, work)
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()
                self._open -= 1

    def _connect(self) -> Connection:
        connection = db.connect(self._config, self._name)
        with self._lock:
            self._open += 1
        return connection

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if connection.closed:
                # The database went away; so did the idle connections, though nobody has told them yet.
                while self._idle:
                    self._idle.pop().close()
                    self._open -= 1
                self._open -= 1
            elif self._open > self._keep:
                connection.close()
                self._open -= 1
            else:
                self._idle.append(connection)


def _run(connection: Connection, work: Callable[[Cursor], T]) -> T:
    for attempt in range(RETRIES):
        try:
            with connection, db.cursor(connection) as cur:
                return work(cur)
        except REFUSED:
            if attempt == RETRIES - 1:
                raise
            bound = min(FIRST_PAUSE_S * GROWTH**attempt, LONGEST_PAUSE_S)
            time.sleep(random.uniform(0, bound))  # noqa: S311 - spreads out rivals
    raise AssertionError("unreachable")
