"""Steady load through the balancers, from many addresses of one host, so that every region has its share.

`python3 load.py` (on that host; configuration as JSON on standard input) runs until its input ends and it has tried
enough, then prints what it tried and what failed. Each client writes, reads what it wrote, and sends requests whose
body takes its time, each on a connection of its own.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(
    0, str(next(Path("/usr/local/lib/maas-ha").glob("*/agent")).parent)
)  # where the agent has unpacked itself

from agent.maas_http import authorization, multipart

PAUSE = 0.4
"""Seconds between two requests of one client: some 25 a second of all, which leave the machine time for the roll."""
SLOW = 6.0
"""Seconds that a body needs to arrive."""
TIMEOUT = 60.0
SETTINGS = (
    "maas_name",
    "http_proxy",
    "kernel_opts",
    "remote_syslog",
    "upstream_dns",
    "windows_kms_host",
    "default_osystem",
    "default_distro_series",
    "maas_internal_domain",
    "dnssec_validation",
)
"""Of one client each, so that it can tell whether what it wrote is there."""


@dataclass(frozen=True)
class Client:
    """One address that asks, what it asks, and the setting that it writes."""

    address: str
    host: str
    setting: str


@dataclass
class Load:
    """What all clients share."""

    key: str
    tried: dict[str, int] = field(default_factory=lambda: {"read": 0, "write": 0, "slow": 0})
    failed: list[str] = field(default_factory=list)
    moments: list[tuple[float, float]] = field(default_factory=list)
    """When each request that failed began and ended."""
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

    def note(self, kind: str, client: Client, began: float, problem: str) -> None:
        """One request has ended."""
        with self.lock:
            self.tried[kind] += 1
            if problem:
                self.moments.append((began, time.time()))
                when = time.strftime("%H:%M:%S")
                self.failed.append(f"{when} {kind} from {client.address} at {client.host}: {problem}")


def quick(load: Load, client: Client) -> None:
    """Writes and reads by turns; what was acknowledged is there, whichever region is asked."""
    number, written = 0, False
    while not load.over.wait(PAUSE):
        number += 0 if written else 1
        value = f"{client.address}-{number}"
        began = time.time()
        if written:
            problem = ask(load, client, "GET", f"maas/?op=get_config&name={client.setting}", b"", json.dumps(value))
            load.note("read", client, began, problem)
            written = False
        else:
            body = multipart({"name": client.setting, "value": value}, "load")
            problem = ask(load, client, "POST", "maas/?op=set_config", body, "OK")
            load.note("write", client, began, problem)
            written = not problem


def slow(load: Load, client: Client) -> None:
    """Requests that are in flight nearly all the time."""
    while not load.over.wait(PAUSE):
        body = multipart({"name": "ntp_servers", "value": client.address}, "load")
        began = time.time()
        load.note("slow", client, began, ask(load, client, "POST", "maas/?op=set_config", body, "OK", pause=SLOW))


def ask(load: Load, client: Client, method: str, path: str, body: bytes, expected: str, pause: float = 0.0) -> str:
    """What went wrong with one request, or ""."""
    connection = http.client.HTTPConnection(client.host, timeout=TIMEOUT, source_address=(client.address, 0))
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
        said = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    return "" if (answer.status, said) == (http.client.OK, expected) else f"{answer.status} {said[:80]!r}"


def main() -> None:
    """Until standard input ends, and enough has been tried."""
    given = json.loads(sys.stdin.readline())
    load, hosts = Load(given["key"]), given["hosts"]
    clients = [
        Client(address, hosts[place % len(hosts)], SETTINGS[place]) for place, address in enumerate(given["clients"])
    ]
    both = [(kind, client) for client in clients for kind in (quick, slow)]
    threads = [threading.Thread(target=kind, args=(load, client), daemon=True) for kind, client in both]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    while sum(load.tried.values()) < given["at_least"]:
        load.over.wait(PAUSE)
    load.over.set()
    for thread in threads:
        thread.join()
    json.dump({"tried": load.tried, "failed": load.failed, "moments": load.moments}, sys.stdout)


if __name__ == "__main__":
    main()
