"""The snap's one daemon: supervisord up to MAAS 3.4, Pebble from 3.5 on (maas-facts §1.1).

It runs what the mode asks for and nothing before `maas init`, so that the snap's unit is active either way.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time

from . import version
from .paths import Paths
from .snap_control import RESTARTING, ProgramState
from .snap_programs import Program, current_mode, programs

log = logging.getLogger("supervisor")

RESTART_S = 1.0
STOP_S = 90.0
SERVICE_CONTROL = "/snap/maas/current/bin/servicectl"
"""How the daemons tell this process about their companions (`knobs.systemctl`)."""


class Supervised:
    """One program and its process."""

    def __init__(self, program: Program, paths: Paths) -> None:
        self.program = program
        self._paths = paths
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._since = 0.0

    @property
    def state(self) -> ProgramState:
        """What `maas status` shows."""
        running = self._process is not None and self._process.returncode is None
        pid = self._process.pid if self._process is not None and running else 0
        return ProgramState(self.program.name, pid, self._since, self.program.autostart)

    async def start(self) -> None:
        """Run it, and again whenever it ends by itself; no news if it runs already."""
        if self._task is None:
            up = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep(up))
            await up

    async def stop(self) -> None:
        """End it: first SIGTERM, then, after a long while, SIGKILL."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()

    async def _keep(self, up: "asyncio.Future[None]") -> None:
        while True:
            # rackd doesn't start over a socket that a killed one left (maas-facts §0a row 10).
            if self.program.name == "rackd":
                self._paths.dhcpd_socket.unlink(missing_ok=True)
            self._process = await asyncio.create_subprocess_exec(
                *self._journalled(),
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "MAAS_SYSTEMCTL": SERVICE_CONTROL},
            )
            self._since = time.time()
            if not up.done():
                up.set_result(None)
            code = await self._process.wait()
            log.warning("%s ended with %d; starting it again", self.program.name, code)
            await asyncio.sleep(RESTART_S)

    def _journalled(self) -> tuple[str, ...]:
        """From 3.5 on each program has a tag of its own in the journal (maas-facts §10)."""
        if version.MINOR < (3, 5):
            return self.program.argv
        return ("/usr/bin/systemd-cat", f"--identifier={self.program.tag}", *self.program.argv)


class Supervisor:
    """The daemon."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._supervised: dict[str, Supervised] = {}
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        socket = self._paths.supervisor_socket
        socket.parent.mkdir(parents=True, exist_ok=True)
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, socket)
        await self._follow_mode()
        await self._stop.wait()
        server.close()
        async with self._changing:
            await self._stop_all()
        socket.unlink(missing_ok=True)

    async def _follow_mode(self) -> None:
        async with self._changing:
            await self._stop_all()
            wanted = programs(current_mode(self._paths), self._paths)
            self._supervised = {program.name: Supervised(program, self._paths) for program in wanted}
            for supervised in self._supervised.values():
                if supervised.program.autostart:
                    await supervised.start()

    async def _stop_all(self) -> None:
        await asyncio.gather(*(supervised.stop() for supervised in self._supervised.values()))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        # Whoever asked may be gone: rackd restarts itself through here (maas-facts §5).
        with contextlib.suppress(ConnectionError):
            writer.write(f"{await self._obey(words)}\n".encode())
            await writer.drain()
        writer.close()

    async def _obey(self, words: list[str]) -> str:
        if words == ["status"]:
            if self._changing.locked():
                return RESTARTING
            return json.dumps([vars(supervised.state) for supervised in self._supervised.values()])
        if words == ["reload"]:
            await self._follow_mode()
            return "ok"
        if len(words) != 2 or words[1] not in self._supervised:
            return f"no such service: {' '.join(words[1:])}"
        supervised = self._supervised[words[1]]
        if words[0] in ("stop", "restart"):
            await supervised.stop()
        if words[0] in ("start", "restart"):
            await supervised.start()
        return "ok"


async def _main(paths: Paths) -> None:
    await Supervisor(paths).run()


def main() -> int:
    """`python3 -m maas_standin.snap_supervisor`."""
    paths = Paths.here()
    for folder in (paths.state / "http/tmp", paths.logs):
        folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(_main(paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
