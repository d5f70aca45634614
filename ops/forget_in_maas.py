"""What MAAS is told when a host is gone for good: nobody else can tell it any more (maas-facts §4.6, §5)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh

from agent.errors import StepError
from agent.maas_api import MaasApi, event_loops
from agent.rack_vlans import retire
from config import stack_file
from ops.engine import EngineError, pulumi
from ops.forget import Connection, connection_of
from ops.stack import Outputs, api_of, read_outputs

PROBE_SECONDS = 10.0
CONNECTED = ("running", "degraded")
"""What MAAS calls a rack that some region is connected to (maas-facts §5)."""
RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
"""Ways in which a host proves an RSA key."""


def forget(stack: str, project: Path, host: str) -> list[str]:
    """Have MAAS forget the controllers on `host`; what was done, a line each.

    Raises `EngineError` while the host answers over SSH or MAAS still sees it connected, and `StackFileError`.
    """
    cluster, outputs = stack_file.read(stack, project), read_outputs(stack, project)
    connection = connection_of(pulumi(stack, project, "stack", "export", "--show-secrets"), host)
    if asyncio.run(answers(connection)):
        raise EngineError(
            f"{host} still answers over SSH at {connection.host}: nothing was done. Take it out of the stack file and"
            " run `pulumi up`, which cleans it; this option is for a host that is gone for good"
        )
    api = api_of(cluster, outputs)
    done: list[str] = []
    try:
        _require_disconnected(api, outputs, host)
        _forget(api, host, done)
    except (StepError, OSError) as error:
        raise EngineError("\n".join([f"MAAS behind {outputs.api_url}: {error}", *done])) from None
    return done or [f"MAAS knows no controller called {host}"]


async def answers(connection: Connection) -> bool:
    """True if the machine of that host key answers; another one at its address is not it."""
    kind = connection.host_key.split()[0]
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            key = await asyncssh.get_server_host_key(
                connection.host,
                connection.port,
                config=None,
                server_host_key_algs=RSA if kind == "ssh-rsa" else [kind],
            )
    except (OSError, TimeoutError, asyncssh.Error):
        return False
    return key is not None and key.export_public_key().decode().split()[:2] == connection.host_key.split()[:2]


def _require_disconnected(api: MaasApi, outputs: Outputs, host: str) -> None:
    reasons = [
        f"MAAS calls its rackd {rack.services['rackd']}"
        for rack in api.racks()
        if rack.hostname == host and rack.rackd in CONNECTED
    ]
    loops = event_loops(outputs.api_url, outputs.ca_certificate)
    if any(name.partition(":")[0] == host for name in loops):
        reasons.append("MAAS lists its event loops")
    if reasons:
        raise EngineError(
            f"MAAS still sees {host} connected ({'; '.join(reasons)}): nothing was done. MAAS believes that for up to"
            " 150 s after a host has died: wait and try again; if it stays so, the host lives, so power it off"
        )


def _forget(api: MaasApi, host: str, done: list[str]) -> None:
    """Racks before regions; `done` hears of each step, also of one before a failure."""
    for rack in api.racks():
        if rack.hostname == host:
            retire(api, rack.system_id, done.append)
            done.append(f"MAAS has forgotten the rack {host} ({rack.system_id})")
    for region in api.regions():
        if region.hostname == host:
            api.delete_region(region.system_id)
            done.append(f"MAAS has forgotten the region {host} ({region.system_id})")
