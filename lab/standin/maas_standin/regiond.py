"""regiond's master process: starts the region, then keeps its workers running.

It never exits on its own: with an unreadable configuration or a wrong password it stays alive without workers and
tries again each second, so "unit active" proves nothing (maas-facts §0a, row 2).
"""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

import psycopg2
import psycopg2.extensions

from . import daemon_log, db, net, nodes, processes, region, region_http, services
from .db import Cursor
from .paths import Paths
from .pool import LIMIT, Pool
from .region import Host, StartError

log = logging.getLogger("maasserver.regiond")


class Master:
    """The first process of regiond."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._stopping = False
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        # A signal wakes the sleeping main loop through this pipe.
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        started = self._start()
        if started is None:
            return 0
        host, system_id = started
        pool = Pool(host.config, host.application_name, keep=LIMIT)
        front_is_new = self._configure_front(host, pool)
        threading.Thread(target=self._start_companions, args=(host, front_is_new), daemon=True).start()
        self._sleep(host.knobs.region_start_s)
        self._supervise(host, system_id, pool)
        self._stop_workers(host)
        self._forget_processes(system_id, pool)
        pool.close()
        return 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        os.write(self._wake_write, b"x")

    def _sleep(self, seconds: float) -> None:
        """At most `seconds`; returns at once when told to stop."""
        if not self._stopping:
            select.select([self._wake_read], [], [], seconds)

    def _start(self) -> tuple[Host, str] | None:
        """Try until it works; None if told to stop before."""
        while not self._stopping:
            try:
                host = region.read_host(self._paths)
                return host, region.try_start_up(host)
            except StartError as error:
                log.error("%s", error)
                self._sleep(1.0)
        return None

    def _start_companions(self, host: Host, front_is_new: bool) -> None:
        services.start_region_units(host)
        if front_is_new:
            services.reload_front(host)

    def _configure_front(self, host: Host, pool: Pool) -> bool:
        """Write nginx's configuration as the database has it; whether that is something new."""
        try:
            return region_http.configure(host.paths, pool.transaction(region_http.read))
        except psycopg2.Error as error:
            log.error("Database: %s", str(error).strip())
            return False

    def _supervise(self, host: Host, system_id: str, pool: Pool) -> None:
        listener: psycopg2.extensions.connection | None = None
        due, told = 0.0, False
        while not self._stopping:
            self._spawn_missing(host)
            try:
                if listener is None or listener.closed:
                    listener = host.listener(region_http.CHANNEL)
                    pool.fill()
                    told = True  # or it was, while nobody listened
                if time.monotonic() >= due:
                    due = time.monotonic() + host.knobs.process_refresh_s
                    self._housekeeping(host, system_id, pool)
                with db.cursor(listener) as cur:
                    cur.execute("SELECT 1")
                if (told or listener.notifies) and self._configure_front(host, pool):
                    services.reload_front(host)
                told = False
                listener.notifies.clear()
            except psycopg2.Error as error:
                log.error("Database: %s", str(error).strip())
                due = 0.0
            self._sleep(host.knobs.retry_s)
        if listener is not None:
            listener.close()

    def _housekeeping(self, host: Host, system_id: str, pool: Pool) -> None:
        """Each refresh: drop what expired, record this host's interfaces."""
        interfaces = net.interfaces()

        def work(cur: Cursor) -> int:
            nodes.update_known(cur, system_id, interfaces)
            return processes.drop_expired(cur, host.knobs.process_expire_s)

        pool.fill()
        dropped = pool.transaction(work)
        if dropped:
            log.info("Dropped %d dead region process(es).", dropped)

    def _spawn_missing(self, host: Host) -> None:
        for index in range(host.config.num_workers):
            worker = self._workers.get(index)
            if worker is not None and worker.poll() is None:
                continue
            if worker is not None:
                log.error("Worker pid:%d died; starting a new one.", worker.pid)
            self._workers[index] = subprocess.Popen([sys.executable, "-m", f"{__package__}.region_worker", str(index)])

    def _stop_workers(self, host: Host) -> None:
        for worker in self._workers.values():
            if worker.poll() is None:
                worker.terminate()
        time.sleep(host.knobs.region_stop_s)
        for worker in self._workers.values():
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _forget_processes(self, system_id: str, pool: Pool) -> None:
        """A clean stop removes the region's own rows at once (maas-facts §0a, row 4.6)."""
        try:
            pool.transaction(lambda cur: processes.drop_region(cur, system_id))
        except psycopg2.Error as error:
            log.error("Database: %s", str(error).strip())


def main() -> int:
    """`python3 -m maas_standin.regiond`."""
    paths = Paths.here()
    os.umask(0o007)
    daemon_log.configure(paths.logs / "regiond.log")
    return Master(paths).run()


if __name__ == "__main__":
    sys.exit(main())
