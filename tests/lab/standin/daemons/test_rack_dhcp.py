"""The rack's dhcpd where a region tells it something as rackd stops (maas-facts §0a, row 4)."""

import asyncio
from pathlib import Path

from lab.standin.maas_standin.knobs import Knobs
from lab.standin.maas_standin.paths import Paths
from lab.standin.maas_standin.rack_dhcp import Dhcpd

from .test_rendering import configuration

SYSTEMCTL = """#!/bin/sh
echo "$1" >> {calls}
[ "$1" != restart ] || while [ ! -e {restarted} ]; do sleep 0.01; done
[ "$1" != is-active ] || echo active
"""


async def stop_while_it_starts(dhcpd: Dhcpd, calls: Path, restarted: Path) -> None:
    """Two event loops tell the same; rackd stops while dhcpd starts for the first of them."""
    told = [asyncio.create_task(dhcpd.configure(configuration("primary"))) for _ in range(2)]
    while not calls.exists():
        await asyncio.sleep(0.01)
    stopped = asyncio.create_task(dhcpd.shut_down())
    await asyncio.sleep(0)
    restarted.touch()
    await stopped
    told.append(asyncio.create_task(dhcpd.configure(configuration("primary"))))
    await asyncio.wait(told, timeout=0.5)
    for task in told:
        task.cancel()


def test_nothing_starts_it_once_rackd_stops(tmp_path: Path) -> None:
    """Neither what a region told before, nor what it tells after."""
    paths, program = Paths(tmp_path), tmp_path / "systemctl"
    calls, restarted = tmp_path / "calls", tmp_path / "restarted"
    program.write_text(SYSTEMCTL.format(calls=calls, restarted=restarted))
    program.chmod(0o755)
    paths.dhcpd_conf.parent.mkdir(parents=True)
    knobs = Knobs(systemctl=str(program), dhcp_first_s=0, dhcp_change_s=0)
    asyncio.run(stop_while_it_starts(Dhcpd(paths, knobs), calls, restarted))
    assert calls.read_text().split()[-1] == "stop"
