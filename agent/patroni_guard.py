"""Ends a Patroni that hangs, before another host leads: it must not go on as if no time had passed.

Up to 3.0.2 a Patroni that was stopped for longer than its lock holds takes the lock from the host that has it by then
(patroni/patroni#2689), and what that one had acknowledged is lost. A hardware watchdog resets the host in time, where
there is one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import NoReturn

from agent.cluster_settings import PATRONI_FOLDER, PATRONI_UNIT, REST_PORT
from agent.commands import Commands
from agent.mutual_tls import NoAnswerError, Peer
from agent.paths import Paths
from agent.report import Report

SILENT_SECONDS = 5.0
"""With a last question of `PATIENCE` this is less than the seven seconds that a lock holds at least: `ttl` less
`loop_wait`."""
PATIENCE, EVERY = 1.5, 0.5


def guard(paths: Paths, report: Report, address: str) -> NoReturn:
    """Ask Patroni at `address`, this host, again and again, and kill it where it listens but is silent. For ever."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is ever halfway here
    watch = Watch(Peer(paths, PATRONI_FOLDER, address, REST_PORT), time.monotonic)
    commands = Commands(report)
    while True:
        if watch.is_silent():
            report.say(f"{PATRONI_UNIT} listens and hasn't answered for {SILENT_SECONDS:.0f} s: killed")
            commands.run("systemctl", "kill", "--signal=KILL", PATRONI_UNIT, check=False)
        time.sleep(EVERY)


class Watch:
    """What is known of one Patroni."""

    def __init__(self, peer: Peer, now: Callable[[], float]) -> None:
        self._peer = peer
        self._now = now
        self._heard = now()
        """When it last answered, or nobody listened there."""

    def is_silent(self) -> bool:
        """Ask once; True, once, where it has been silent for too long."""
        try:
            self._peer.call("GET", "/liveness", timeout=PATIENCE)
        except NoAnswerError as error:
            if error.silent and self._now() - self._heard < SILENT_SECONDS:
                return False
            found = error.silent
        else:
            found = False
        self._heard = self._now()
        return found
