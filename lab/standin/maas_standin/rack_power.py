"""The rack's power driver for IPMI: FreeIPMI's client, to the BMC's UDP port 623 (maas-facts §12.8)."""

import asyncio
import logging
import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from . import rpc, version
from .knobs import Knobs

log = logging.getLogger("provisioningserver.drivers.power")

OPTIONS = {"PowerOn": "--on", "PowerOff": "--off", "PowerQuery": "--stat"}
"""Command of the region → ipmipower's option."""
STATES = {"PowerOn": "on", "PowerOff": "off"}
AGENT_PORTS = ((5271, (3, 5)), (5242, (3, 6)))
"""What maas-agent must reach on its region, and since which version (maas-facts §4.8)."""
CONNECT_S = 2.0


class PowerError(Exception):
    """The BMC wasn't reached or refuses; the text is the client's."""


class Power:
    """One rack's power actions."""

    def __init__(self, urls: Sequence[str], knobs: Knobs) -> None:
        self._urls = urls
        self._knobs = knobs

    @property
    def handlers(self) -> dict[str, rpc.Handler]:
        """Answers to the region's commands, each `{"state": "on" | "off"}`; they raise PowerError."""
        return {command: self._handler(command) for command in OPTIONS}

    def _handler(self, command: str) -> rpc.Handler:
        async def handle(args: rpc.Arguments) -> rpc.Answer:
            await self._ask_agent()
            said = await self._ipmipower(OPTIONS[command], args["address"], args["user"], args["password"])
            node = f"{args['hostname']} ({args['system_id']})"
            if command == "PowerQuery":
                return {"state": said}
            log.info("Changed power state (%s) of node: %s through its BMC %s", STATES[command], node, args["address"])
            return {"state": STATES[command]}

        return handle

    async def _ask_agent(self) -> None:
        """From 3.5 on power is the agent's, which knows only the host of the first URL (maas-facts §4.8)."""
        host = urlsplit(self._urls[0]).hostname or ""
        for port, since in AGENT_PORTS:
            if since <= version.MINOR:
                try:
                    opened = asyncio.open_connection(host, port)
                    _, writer = await asyncio.wait_for(opened, CONNECT_S)
                except (TimeoutError, OSError):
                    raise PowerError(f"maas-agent has lost {host}:{port}") from None
                writer.close()

    async def _ipmipower(self, option: str, address: str, user: str, password: str) -> str:
        """What ipmipower says of the one host it was asked about: `ok`, `on` or `off`."""
        with os.fdopen(os.memfd_create("ipmi"), "wb", buffering=0) as configuration:
            configuration.write(f"username {user}\npassword {password}\n".encode())
            process = await asyncio.create_subprocess_exec(
                *self._knobs.ipmipower.split(),
                f"--config-file=/proc/self/fd/{configuration.fileno()}",
                "--driver-type=LAN_2_0",
                "--workaround-flags=opensesspriv",
                "--privilege-level=OPERATOR",
                f"--session-timeout={round(self._knobs.ipmi_timeout_s * 1000)}",
                f"--hostname={address}",
                option,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=[configuration.fileno()],
            )
            out, err = await process.communicate()
        said = (out.decode(errors="replace").strip() or err.decode(errors="replace").strip()).removeprefix(address)
        said = said.removeprefix(": ")
        if process.returncode != 0 or said not in ("ok", "on", "off"):
            raise PowerError(said or f"ipmipower ended with {process.returncode}")
        return said
