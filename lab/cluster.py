"""A lab as a whole; what the command line and the tests use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

from lab import keys, network
from lab.cache import cache_folder
from lab.errors import LabError
from lab.files import locked_folder, write_atomic
from lab.host import Host
from lab.image import base_digests, base_image
from lab.inventory import DEFAULT_NAME, SHAPES, Inventory, Place, Shape
from lab.machine import allow_watches, require_kernel, require_plain_path, require_root, require_tools, warn
from lab.packages import repository
from lab.progress import say
from lab.snapshot import manifest
from lab.sources import machine_release

Result = TypeVar("Result")


@dataclass(frozen=True)
class HostStatus:
    """One line of `lab status`."""

    name: str
    address: str
    state: str
    """`running`, `degraded`, `starting`, `booting`, `off`."""
    leader_pid: int | None


class Lab:
    """The lab called `name` whose state lies in `folder`/.lab/`name` (the current directory where not given)."""

    def __init__(self, name: str = DEFAULT_NAME, folder: Path | None = None) -> None:
        self.place = Place.at(folder if folder is not None else Path.cwd(), name)

    @property
    def known_hosts(self) -> Path:
        """Lines `ADDRESS ssh-ed25519 …`, one a host."""
        return self.place.known_hosts

    @property
    def inventory(self) -> Inventory:
        """Raises LabError where the lab isn't there."""
        return Inventory.load(self.place)

    @property
    def hosts(self) -> list[Host]:
        inventory = self.inventory
        shape = inventory.shape
        return [Host(self.place, inventory, name, shape.address(octet)) for name, octet in shape.hosts]

    def host(self, name: str) -> Host:
        """Raises LabError for a name that the lab doesn't have."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"the lab {self.place.name!r} has no host {name!r}: {known}")

    def environment(self) -> dict[str, str]:
        """What a client of the lab sets: its own agent."""
        return {"SSH_AUTH_SOCK": str(self.place.agent_socket)}

    def up(
        self,
        network_: IPv4Network | None = None,
        hosts: Sequence[tuple[str, int]] | None = None,
        maas: str | None = None,
    ) -> None:
        """Bring up what isn't; nothing that runs is touched. What isn't given is as it was, or as the name has it.

        Raises LabError where the machine can't carry it, or the lab exists in another shape.
        """
        require_root()
        require_tools(cache_folder())
        with locked_folder(self.place.folder) as lock:
            inventory = self._prepare(_asked(self.place.name, self._recorded(), network_, hosts, maas), lock)
            repaired = self._ensure(inventory, lock)
        if repaired:
            say(f"{self.place.name}: {', '.join(repaired)}")

    def down(self) -> None:
        """End and remove everything of the lab, also of a half made or a half removed one."""
        require_root()
        if not self.place.folder.exists():
            self._remove_empty_parent()
            return
        with locked_folder(self.place.folder):
            _in_parallel([self._loose_host(name) for name in self._host_names()], Host.cut_power)
            keys.stop_agent(self.place)
            network.remove_bridge(self.place)
            self._set_disks_aside()
            shutil.rmtree(self.place.folder)
        self._remove_empty_parent()

    def _set_disks_aside(self) -> None:
        """At once: a `lab up` after a removal that is cut short takes no half of a disk for a whole one."""
        self.place.file.unlink(missing_ok=True)
        hosts = self.place.host_folder("")
        aside = hosts.with_name("hosts.removed")
        shutil.rmtree(aside, ignore_errors=True)
        if hosts.exists():
            hosts.rename(aside)

    def status(self) -> list[HostStatus]:
        def one(host: Host) -> HostStatus:
            state = host.system_state()
            leader = host.leader_pid() if state not in ("off", "booting") else None
            return HostStatus(host.name, str(host.address), state, leader)

        return _in_parallel(self.hosts, one)

    def leader_pid(self, host: str) -> int:
        """Pid of a host's PID 1. Raises LabError where it is off."""
        return self.host(host).leader_pid()

    def exec(
        self, host: str, *argv: str, input: str | None = None, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root in a host, output captured.

        Raises CalledProcessError where it fails and `check`, TimeoutExpired, and LabError where the host is off.
        """
        return subprocess.run(
            self.host(host).exec_argv(argv), input=input, capture_output=True, text=True, check=check, timeout=timeout
        )

    def ssh_argv(self, host: str, *command: str) -> list[str]:
        """The ssh command line of the deploy user, with the lab's keys and no others."""
        address = str(self.host(host).address)
        options = {
            "UserKnownHostsFile": self.place.known_hosts,
            "StrictHostKeyChecking": "yes",
            "IdentityFile": self.place.deploy_key,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "LogLevel": "ERROR",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", *flags, f"deploy@{address}", *command]

    def poweroff(self, name: str) -> None:
        """Cut a host's power: every process of it gone at once, its disk kept."""
        with self._locked_host(name) as (host, _):
            host.cut_power()

    def poweron(self, name: str) -> None:
        """Boot a host that is off, with its disk, and wait until it is ready."""
        with self._locked_host(name) as (host, lock):
            network.ensure_bridge(self.place, host.inventory.shape)
            host.create(lock)
            host.start(lock)
            host.wait_ready()

    def reboot(self, name: str) -> None:
        """An orderly reboot, as `systemctl reboot` in the host does it."""
        with self._locked_host(name) as (host, _):
            host.reboot()

    def reset(self, name: str) -> None:
        """Put a host back to the pristine base, booted. It keeps its SSH host key."""
        with self._locked_host(name) as (host, lock):
            host.cut_power()
            host.renew(lock)
            host.start(lock)
            host.wait_ready()

    def snapshot(self, name: str) -> list[str]:
        """Sorted manifest of a running host's files, a line each, without what changes by itself."""
        host = self.host(name)
        known = base_digests(Path(host.inventory.base))
        return manifest(Path(f"/proc/{host.leader_pid()}/root"), known)

    def _recorded(self) -> Inventory | None:
        return Inventory.load(self.place) if self.place.file.exists() else None

    def _prepare(self, shape: Shape, lock: int) -> Inventory:
        """The recorded inventory, or a new one with the image and packages that it needs."""
        recorded = self._recorded()
        if recorded is not None:
            return recorded
        network.check_network(self.place, shape.network)
        for folder in (self.place.folder, cache_folder()):
            require_plain_path(folder)
        require_kernel(self.place.folder, lock)
        release = machine_release()
        base = base_image(release)
        inventory = Inventory(shape, str(base), str(repository(release, base, shape.maas)))
        inventory.save(self.place)
        return inventory

    def _ensure(self, inventory: Inventory, lock: int) -> list[str]:
        repaired = []
        allow_watches()
        keys.ensure_key(self.place.deploy_key, f"deploy@lab-{self.place.name}", lock)
        hosts = self.hosts
        missing = [host for host in hosts if host.record() is None]
        if network.ensure_bridge(self.place, inventory.shape):
            repaired.append(f"bridge {self.place.bridge}")
            for host in hosts:
                if host not in missing:
                    network.attach(self.place, host.machine)
        if keys.ensure_agent(self.place, lock):
            repaired.append("ssh-agent")
        for host in missing:
            host.create(lock)
            host.start(lock)
        self._write_known_hosts(hosts)
        _in_parallel(hosts, Host.wait_ready)
        for host in missing:
            if host.system_state() == "degraded":
                warn(f"{host.name} runs with failed units: lab exec {host.name} -- systemctl --failed")
        if missing:
            repaired.append(f"{len(missing)} hosts up: {', '.join(host.name for host in missing)}")
        return repaired

    def _write_known_hosts(self, hosts: Sequence[Host]) -> None:
        lines = []
        for host in hosts:
            kind, key, *_ = Path(f"{self.place.host_key(host.name)}.pub").read_text().split()
            lines.append(f"{host.address} {kind} {key}\n")
        write_atomic(self.place.known_hosts, "".join(lines))

    def _host_names(self) -> list[str]:
        """Every host that may have left something, whatever became of lab.json."""
        recorded = self._recorded()
        names = {name for name, _ in recorded.shape.hosts} if recorded is not None else set()
        run = self.place.folder / "run"
        return sorted(names | {path.stem for path in run.glob("*.pid") if path.stem != "ssh-agent"})

    def _loose_host(self, name: str) -> Host:
        return Host(self.place, Inventory(Shape(), "", ""), name, Shape().gateway)

    @contextmanager
    def _locked_host(self, name: str) -> Iterator[tuple[Host, int]]:
        require_root()
        host = self.host(name)
        with locked_folder(self.place.folder) as lock:
            yield host, lock

    def _remove_empty_parent(self) -> None:
        parent = self.place.folder.parent
        if parent.exists() and not any(parent.iterdir()):
            parent.rmdir()


def _asked(
    name: str,
    recorded: Inventory | None,
    network_: IPv4Network | None,
    hosts: Sequence[tuple[str, int]] | None,
    maas: str | None,
) -> Shape:
    """The shape that is asked for. Raises LabError where it isn't the recorded one."""
    current = recorded.shape if recorded is not None else SHAPES.get(name, Shape())
    asked = replace(
        current,
        network=network_ if network_ is not None else current.network,
        hosts=tuple(hosts) if hosts is not None else current.hosts,
        maas=maas if maas is not None else current.maas,
    )
    if recorded is not None and asked != current:
        raise LabError(
            f"the lab exists with other hosts, network or MAAS version ({current.to_json()}): lab down first"
        )
    return asked


def _in_parallel(hosts: Sequence[Host], action: Callable[[Host], Result]) -> list[Result]:
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        return list(pool.map(action, hosts))
