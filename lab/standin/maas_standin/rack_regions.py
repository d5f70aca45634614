"""How a rack finds the regions: `/MAAS/rpc/` of all its URLs, else those of last time (maas-facts §4.1)."""

import asyncio
import http.client
import ipaddress
import json
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from .paths import Paths, write_atomically

EventLoops = dict[str, list[tuple[str, int]]]

REGION_HTTP_PORT = 5240


async def find(urls: Sequence[str], paths: Paths, timeout: float) -> EventLoops:
    """The answer with the most event loops; empty if nobody answers."""
    loops = await _most(urls, timeout)
    return loops or await _most(_saved(paths), timeout)


def save(paths: Paths, addresses: Iterable[str]) -> None:
    """Remember the regions connected to now, in rpc.state."""
    lines = sorted(f"http://{_bracketed(a)}:{REGION_HTTP_PORT}/MAAS\n" for a in set(addresses))
    write_atomically(paths.rpc_state, "".join(lines))


async def _most(urls: Sequence[str], timeout: float) -> EventLoops:
    answers = await asyncio.gather(*(asyncio.to_thread(_fetch, url, timeout) for url in urls))
    return max(answers, key=len, default={})


def _fetch(url: str, timeout: float) -> EventLoops:
    """One URL's answer, empty on any failure: 502 and 503 mean that a later poll asks again."""
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or 80
    for address in _addresses(host):
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
        try:
            connection.request("GET", parts.path.rstrip("/") + "/rpc/", headers={"Host": parts.netloc})
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                continue
            body = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            continue
        finally:
            connection.close()
        return {name: [(str(a), int(p)) for a, p in ends] for name, ends in (body["eventloops"] or {}).items()}
    return {}


def _addresses(host: str) -> list[str]:
    """All addresses of a name, IPv6 first."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return []
    return sorted(found, key=lambda a: (":" not in a, a))


def _saved(paths: Paths) -> list[str]:
    try:
        return paths.rpc_state.read_text("utf-8").split()
    except FileNotFoundError:
        return []


def _bracketed(address: str) -> str:
    plain = address.removeprefix("::ffff:")
    return f"[{plain}]" if ipaddress.ip_address(plain).version == 6 else plain
