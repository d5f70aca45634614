"""A rack that goes while the region still notes that it has come (maas-facts §4.4, §4.6)."""

import asyncio
import functools
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.standin.maas_standin import rpc
from lab.standin.maas_standin.paths import Paths
from lab.standin.maas_standin.region_rpc import _Session
from lab.standin.maas_standin.region_worker import Worker


class Region:
    """What a session needs of its event loop; the rack goes as soon as the database has noted that it is connected."""

    def __init__(self, root: Path) -> None:
        self.host = SimpleNamespace(paths=Paths(root))
        self.process = "process"
        self.noted: list[str] = []
        self.peers: dict[str, set[rpc.Peer]] = {}

    async def database(self, work: functools.partial[object]) -> str:
        self.noted.append(work.func.__name__)
        if work.func.__name__ == "connected":
            await self.peer.close()
        return "rack"

    async def meet(self) -> None:
        """One rack registers."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.peer = rpc.Peer(*await asyncio.open_connection(sock=ours))
            session = _Session(cast("Worker", self), self.peers, self.peer)
            session._handshake.passed.set()
            await session._register({"system_id": None, "hostname": "rk1", "interfaces": [], "version": "3.4.10"})


def test_a_rack_that_goes_meanwhile_is_not_kept(tmp_path: Path) -> None:
    region = Region(tmp_path)
    with pytest.raises(rpc.ConnectionLostError):
        asyncio.run(region.meet())
    assert region.noted == ["register_rack", "connected", "disconnected"]
    assert region.peers == {}
