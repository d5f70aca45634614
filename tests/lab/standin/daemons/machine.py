"""One host of the tests: a namespace with a name, a root folder and the stand-in's daemons."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from lab.standin.maas_standin.paths import Paths

from .network import Network
from .polling import eventually
from .postgres import PASSWORD, Postgres

REPOSITORY = Path(__file__).parents[4]
TIMES: dict[str, object] = {
    "migrate_s": 0.0,
    "views_gone_s": 0.0,
    "region_start_s": 0.1,
    "region_stop_s": 0.0,
    "process_refresh_s": 2.0,
    "process_expire_s": 5.0,
    "manage_s": 0.3,
    "listener_retry_s": 0.5,
    "rack_poll_partial_s": 0.5,
    "rack_poll_fast_s": 0.5,
    "rack_poll_full_s": 1.0,
    "rack_settle_s": 1.0,
    "rack_stop_s": 0.0,
    "secret_wait_s": 20.0,
    "dhcp_first_s": 0.1,
    "dhcp_change_s": 0.0,
    "services_s": 0.5,
}


class Machine:
    """A host; `number` is the last part of its address."""

    def __init__(self, network: Network, folder: Path, number: int, name: str) -> None:
        self.name = name
        self.address = network.address(number)
        self._network = network
        self.namespace = network.add(number)
        self.paths = Paths(folder / name)
        for needed in (self.paths.state, self.paths.logs, self.paths.regiond_conf.parent):
            needed.mkdir(parents=True)
        self.processes: list[subprocess.Popen[bytes]] = []
        self._systemctl = self.paths.root / "systemctl"
        script = f'#!/bin/sh\nexec {sys.executable} {REPOSITORY}/tests/lab/standin/daemons/fake_systemctl.py "$@"\n'
        self._systemctl.write_text(script)
        self._systemctl.chmod(0o755)
        self._package = REPOSITORY / "lab/standin"
        self.configure()

    @property
    def url(self) -> str:
        """Of this host's region."""
        return f"http://{self.address}:5240/MAAS"

    def configure(self, **knobs: object) -> None:
        """Write the knobs: the tests' times, and these."""
        content = {**TIMES, "systemctl": str(self._systemctl), **knobs}
        self.paths.standin_conf.write_text(yaml.safe_dump(content))

    def region(self, postgres: Postgres, database: str, workers: int = 2, **settings: object) -> None:
        """Write regiond.conf."""
        content: dict[str, object] = {
            "maas_url": self.url,
            "database_host": postgres.address,
            "database_name": database,
            "database_user": database,
            "database_pass": PASSWORD,
            "num_workers": workers,
        }
        self.paths.regiond_conf.write_text(yaml.safe_dump(content | settings))

    def rack(self, *urls: str, secret: str | None) -> None:
        """Write rackd.conf and the secret."""
        self.paths.rackd_conf.write_text(yaml.safe_dump({"maas_url": list(urls)}))
        if secret is not None:
            self.paths.secret.write_text(secret)

    def claim(self, minor: tuple[int, int]) -> None:
        """Be another MAAS: run a copy of the package with the version file that a build would write.

        A region brings the schema to that version.
        """
        copy = self.paths.root / "package"
        shutil.copytree(REPOSITORY / "lab/standin/maas_standin", copy / "maas_standin")
        short = f"{minor[0]}.{minor[1]}.1"
        version = f'LONG = "{short}-1-g.abcdef012"\nSHORT = "{short}"\nMINOR = {minor}\n'
        (copy / "maas_standin/version.py").write_text(version)
        self._package = copy
        if self.paths.regiond_conf.exists():
            program = (
                "from maas_standin import cli_region, paths; cli_region.dbupgrade(paths.Paths.here().regiond_conf)"
            )
            path = f"{copy}:{REPOSITORY}"
            environment = {**os.environ, "MAAS_ROOT": str(self.paths.root), "PYTHONPATH": path}
            subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)

    def run(self, module: str, *args: str, privileged: bool = True) -> subprocess.Popen[bytes]:
        """Start `python -m MODULE ARGS` on this host, in a process group of its own.

        Without privileges it is still root, but one that permissions of files apply to.
        """
        inside = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name]
        become = [] if privileged else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        program = [sys.executable, "-m", module, *args]
        command = ["ip", "netns", "exec", self.namespace, *inside, *become, *program]
        path = f"{self._package}:{REPOSITORY}"
        with (self.paths.root / "output").open("ab") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, "MAAS_ROOT": str(self.paths.root), "PYTHONPATH": path},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def regiond(self, privileged: bool = True) -> subprocess.Popen[bytes]:
        """Start regiond."""
        return self.run("maas_standin.regiond", privileged=privileged)

    def rackd(self) -> subprocess.Popen[bytes]:
        """Start rackd; the unit would have removed a leftover socket."""
        return self.run("maas_standin.rackd")

    def front_door(self) -> None:
        """Start what stands for nginx."""
        self.run("tests.lab.standin.daemons.front_door", str(self.paths.state))

    def log(self, daemon: str) -> str:
        """What the daemon has logged: `regiond` or `rackd`."""
        path = self.paths.logs / f"{daemon}.log"
        return path.read_text() if path.exists() else ""

    def logged(self, daemon: str, text: str, times: int = 1) -> None:
        """Wait until the daemon's log holds the text so many times."""
        eventually(lambda: self.log(daemon).count(text) >= times, f"{self.name}: {daemon} logs {text!r}")

    def systemctl_calls(self) -> list[str]:
        """What the daemons have asked of systemd."""
        path = self.paths.state / "systemctl.log"
        return path.read_text().splitlines() if path.exists() else []

    def dhcpd_pid(self) -> int | None:
        """The process id of the running dhcpd."""
        try:
            pid = int((self.paths.state / "dhcpd.pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def tell(self) -> None:
        """Write the logs to standard output, for the report of a failed test."""
        for path in (self.paths.root / "output", *sorted(self.paths.logs.iterdir()), self.paths.state / "dhcpd.log"):
            if path.exists():
                sys.stdout.write(f"--- {self.name}: {path.name}\n{path.read_text()[-6000:]}\n")

    def clean_up(self) -> None:
        """End what was started here, by id."""
        self.tell()
        for process in self.processes:
            kill(process)
        eventually(self._is_empty, f"{self.name}: all that ran there has ended")  # such as a dhcpd that just began
        self._network.drop(self.namespace)
        shutil.rmtree(self.paths.root)

    def _is_empty(self) -> bool:
        """Whether nothing runs on the host any more; ends what does."""
        running = self._network.processes(self.namespace)
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not running


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the daemon and its children, as a power failure would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM to the daemon itself; its exit code."""
    process.terminate()
    return process.wait(timeout=60)
