"""The rack's dhcpd where a region tells it something as rackd stops (maas-facts §0a, row 4)."""

import asyncio
from pathlib import Path

import pytest

from lab.standin.maas_standin.knobs import Knobs
from lab.standin.maas_standin.paths import Paths
from lab.standin.maas_standin.rack_dhcp import Dhcpd

from .test_rendering import configuration

SYSTEMCTL = """#!/bin/sh
echo "$1" >> {calls}
[ "$1" != restart ] || while [ ! -e {restarted} ]; do sleep 0.01; done
[ "$1" != is-active ] || cat {state}
"""


class Systemd:
    """What stands for systemctl: it notes its calls, and a restart waits until it is let go."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.paths.dhcpd_conf.parent.mkdir(parents=True)
        self.calls, self.restarted, self.state = (root / name for name in ("calls", "restarted", "state"))
        self.state.write_text("active\n")
        program = root / "systemctl"
        program.write_text(SYSTEMCTL.format(calls=self.calls, restarted=self.restarted, state=self.state))
        program.chmod(0o755)
        self.dhcpd = Dhcpd(self.paths, Knobs(systemctl=str(program), dhcp_first_s=0, dhcp_change_s=0))

    async def configure(self) -> None:
        await self.dhcpd.configure(configuration("primary"))


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path)


async def stop_while_it_starts(systemd: Systemd) -> None:
    """Two event loops tell the same; rackd stops while dhcpd starts for the first of them."""
    told = [asyncio.create_task(systemd.configure()) for _ in range(2)]
    while not systemd.calls.exists():
        await asyncio.sleep(0.01)
    stopped = asyncio.create_task(systemd.dhcpd.shut_down())
    await asyncio.sleep(0)
    systemd.restarted.touch()
    await asyncio.gather(stopped, *told)
    await systemd.configure()


def test_nothing_starts_it_once_rackd_stops(systemd: Systemd) -> None:
    """Neither what a region told before, nor what it tells after."""
    asyncio.run(stop_while_it_starts(systemd))
    assert systemd.calls.read_text().split()[-1] == "stop"


@pytest.mark.parametrize(("state", "started"), [("active", False), ("deactivating", False), ("inactive", True)])
def test_what_systemd_stops_is_left_alone(state: str, started: bool, systemd: Systemd) -> None:
    """systemd stops dhcpd before it tells rackd to stop: a start would call that off."""

    async def look() -> None:
        systemd.restarted.touch()
        await systemd.configure()
        systemd.state.write_text(state)
        await systemd.dhcpd.ensure()

    asyncio.run(look())
    assert ("start" in systemd.calls.read_text().split()) is started
