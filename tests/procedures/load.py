"""Steady load through the balancer, from many addresses of one host, so that every region has its share.

`python3 load.py` (on that host; configuration as JSON on standard input) runs until its input ends, then prints what it
tried and what failed. Each client reads, writes and sends requests whose body takes its time, each on a connection of
its own.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass, field

sys.path.insert(0, "/usr/local/lib/maas-ha/agent.pyz")

from agent.maas_http import authorization, multipart

PAUSE = 0.15
SLOW = 6.0
"""Seconds that a body needs to arrive."""
TIMEOUT = 60.0


@dataclass
class Load:
    """What all clients share."""

    host: str
    key: str
    tried: dict[str, int] = field(default_factory=lambda: {"read": 0, "write": 0, "slow": 0})
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    nonces: int = 0

    def headers(self) -> dict[str, str]:
        """Of one authorised request; a nonce is used once."""
        with self.lock:
            self.nonces += 1
            nonce = f"load-{id(self)}-{time.time_ns()}-{self.nonces}"
        return {
            "Authorization": authorization(self.key, nonce, int(time.time())),
            "Content-Type": "multipart/form-data; boundary=load",
        }

    def note(self, kind: str, client: str, problem: str) -> None:
        """One request has ended."""
        with self.lock:
            self.tried[kind] += 1
            if problem:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {kind} from {client}: {problem}")


def quick(load: Load, client: str) -> None:
    """Reads and writes by turns."""
    while not load.over.wait(PAUSE):
        load.note("read", client, ask(load, client, "GET", "version/", b""))
        body = multipart({"name": "maas_name", "value": client}, "load")
        load.note("write", client, ask(load, client, "POST", "maas/?op=set_config", body))


def slow(load: Load, client: str) -> None:
    """Requests that are in flight nearly all the time."""
    while not load.over.wait(PAUSE):
        body = multipart({"name": "ntp_servers", "value": client}, "load")
        load.note("slow", client, ask(load, client, "POST", "maas/?op=set_config", body, pause=SLOW))


def ask(load: Load, client: str, method: str, path: str, body: bytes, pause: float = 0.0) -> str:
    """What went wrong with one request, or ""."""
    connection = http.client.HTTPConnection(load.host, timeout=TIMEOUT, source_address=(client, 0))
    try:
        connection.putrequest(method, f"/MAAS/api/2.0/{path}")
        for name, value in {**load.headers(), "Content-Length": str(len(body)), "Connection": "close"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        if pause:
            connection.send(body[:10])
            time.sleep(pause)  # a slow client
            connection.send(body[10:])
        elif body:
            connection.send(body)
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    return "" if answer.status == http.client.OK else f"{answer.status} {said[:80]!r}"


def main() -> None:
    """Until standard input ends."""
    given = json.loads(sys.stdin.readline())
    load = Load(given["host"], given["key"])
    clients = [(kind, client) for client in given["clients"] for kind in (quick, slow)]
    threads = [threading.Thread(target=kind, args=(load, client), daemon=True) for kind, client in clients]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    load.over.set()
    for thread in threads:
        thread.join()
    json.dump({"tried": load.tried, "failed": load.failed}, sys.stdout)


if __name__ == "__main__":
    main()
