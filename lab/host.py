"""One host of a lab: its disk, its machine, and commands in it."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from lab import network
from lab.cgroups import clear_cgroups, host_cgroups
from lab.errors import LabError
from lab.files import write_atomic
from lab.inventory import DEPLOY_USER, Inventory, Place
from lab.keys import ensure_key
from lab.namespaces import PRIVATE, SCRIPTS
from lab.processes import ProcessRecord, children, read_record, start_recorded

READY_SECONDS = 300.0
_ENVIRONMENT = (
    "HOME=/root",
    "LANG=C.UTF-8",
    "LOGNAME=root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL=/bin/bash",
    "TERM=dumb",
    "USER=root",
)


UNUSED_UNITS = ("console-getty.service", "systemd-ask-password-console.path", "systemd-ask-password-wall.path")
"""Masked: nobody sits at a host's console, and each takes inotify instances, of which a machine may have but 128."""


@dataclass(frozen=True)
class Host:
    """A host by name; everything else is found in the lab's folder and in /proc."""

    place: Place
    inventory: Inventory
    name: str
    address: IPv4Address

    @property
    def folder(self) -> Path:
        return self.place.host_folder(self.name)

    @property
    def machine(self) -> str:
        return self.place.machine(self.name)

    @property
    def record_file(self) -> Path:
        # Beside the host's folder, not in it: a reset replaces the folder.
        return self.place.folder / "run" / f"{self.name}.pid"

    @property
    def console(self) -> Path:
        return self.place.folder / "run" / f"{self.name}.log"

    def record(self) -> ProcessRecord | None:
        """The process that carries the host, if it lives."""
        record = read_record(self.record_file)
        return record if record is not None and record.alive() else None

    def create(self, lock: int) -> None:
        """Give the host its disk: the base plus its name, address and keys. Whole or not at all; once."""
        if self.folder.exists():
            return
        fresh = self.folder.with_name(f"{self.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        for part in ("upper", "work", "root"):
            (fresh / part).mkdir(parents=True)
        (fresh / "upper").chmod(0o755)
        self._seed(fresh / "upper", lock)
        fresh.rename(self.folder)

    def start(self, lock: int) -> None:
        """Boot the machine; doesn't wait. Nothing where it runs."""
        if self.record() is not None:
            return
        if not Path(self.inventory.base).exists() or not Path(self.inventory.packages).exists():
            raise LabError(
                f"{self.name}: the cached base image or package repository is gone from {self.inventory.base}: "
                f"lab down --name {self.place.name}, then lab up"
            )
        clear_cgroups(self.machine)
        self.record_file.parent.mkdir(exist_ok=True)
        arguments = [
            "--quiet",
            f"--directory={self.folder / 'root'}",
            "--boot",
            "--register=no",
            "--keep-unit",
            f"--machine={self.machine}",
            f"--hostname={self.name}",
            f"--network-bridge={self.place.bridge}",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            f"--bind-ro={self.inventory.packages}:/srv/packages",
        ]
        cgroups = " ".join(str(cgroup) for cgroup in host_cgroups(self.machine))
        argv = [
            *PRIVATE,
            "bash",
            str(SCRIPTS / "boot-host.sh"),
            self.inventory.base,
            str(self.folder),
            cgroups,
            *arguments,
        ]
        start_recorded(argv, self.record_file, lock, self.console)

    def cut_power(self) -> None:
        """End the machine at once, as a power cut would; its disk stays as it is."""
        record = read_record(self.record_file)
        if record is not None:
            record.kill()
        clear_cgroups(self.machine)
        network.unplug(self.machine)
        self.record_file.unlink(missing_ok=True)

    def reboot(self, timeout: float = READY_SECONDS) -> None:
        """`systemctl reboot`, and wait until the host is ready again. Raises LabError."""
        before = self.leader_pid()
        subprocess.run(self.exec_argv(["systemctl", "reboot"]), capture_output=True, check=False)
        self.wait_gone(before, timeout)
        self.wait_ready(timeout)

    def wait_gone(self, leader: int, timeout: float = READY_SECONDS) -> None:
        """Wait until the host's earlier PID 1 has ended. Raises LabError."""
        deadline = time.monotonic() + timeout
        while Path(f"/proc/{leader}").exists():
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} does not go down (console: {self.console})")
            time.sleep(0.02)  # its descriptor tells of its end, and nspawn has yet to reap it

    def renew(self, lock: int) -> None:
        """Put the disk back to the pristine base. The host keeps its SSH keys. It must be off."""
        old = self.folder.with_name(f"{self.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        self.create(lock)
        shutil.rmtree(old, ignore_errors=True)

    def leader_pid(self) -> int:
        """Pid, on this machine, of the host's PID 1. Raises LabError where the host is off or not yet that far."""
        record = self.record()
        if record is None:
            raise LabError(f"{self.name} is off: lab poweron {self.name} --name {self.place.name}")
        # unshare → boot-host.sh → systemd-nspawn → the host's own PID 1
        found = [record.pid]
        for _ in range(3):
            found = [child for pid in found for child in children(pid)]
        for pid in found:
            if _is_leader(pid):
                return pid
        raise LabError(f"{self.name} is only starting (console: {self.console})")

    def exec_argv(self, argv: Sequence[str]) -> list[str]:
        """The command of this machine that runs `argv` as root in the host, with a clean environment."""
        leader = str(self.leader_pid())
        return ["nsenter", "--target", leader, "--all", "--", "env", "-i", "--chdir=/root", *_ENVIRONMENT, *argv]

    def system_state(self) -> str:
        """systemd's own word: `running`, `degraded`, `starting` …; `off` and `booting` for a host without one."""
        if self.record() is None:
            return "off"
        try:
            argv = self.exec_argv(["systemctl", "is-system-running"])
        except LabError:
            return "booting"
        found = subprocess.run(argv, capture_output=True, text=True, check=False)
        return found.stdout.strip() or "booting"

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Wait until sshd greets and systemd has started all. Raises LabError with the console's last words."""
        deadline = time.monotonic() + timeout
        while not (self._greets() and self._has_started(deadline)):
            if self.record() is None:
                raise LabError(
                    f"{self.name} went off while it booted: {_last_words(self.console)} (log: {self.console})"
                )
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} is not ready after {timeout:.0f} s (console: {self.console})")
            time.sleep(0.05)  # nobody outside is told when sshd listens within

    def _greets(self) -> bool:
        try:
            with socket.create_connection((str(self.address), 22), timeout=0.1) as connection:
                connection.settimeout(5)
                return connection.recv(4) == b"SSH-"
        except OSError:  # refused, no route yet, timed out: not yet
            return False

    def _has_started(self, deadline: float) -> bool:
        try:
            argv = self.exec_argv(["systemctl", "is-system-running", "--wait"])
            limit = max(1.0, deadline - time.monotonic())
            found = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=limit)
        except (LabError, subprocess.TimeoutExpired):
            return False
        return found.stdout.strip() in ("running", "degraded")

    def _seed(self, root: Path, lock: int) -> None:
        """Write what makes this host itself into its overlay."""
        for folder in ("etc/ssh", "etc/systemd/network"):
            (root / folder).mkdir(parents=True)
        write_atomic(root / "etc/hostname", f"{self.name}\n")
        write_atomic(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost ip6-localhost\n")
        write_atomic(root / "etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
        write_atomic(root / "etc/systemd/network/10-lab.network", self._network())
        (root / "etc/systemd/system").mkdir()
        for unit in UNUSED_UNITS:
            (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        key = ensure_key(self.place.host_key(self.name), f"root@{self.name}", lock)
        write_atomic(root / "etc/ssh/ssh_host_ed25519_key", key.read_text(), 0o600)
        write_atomic(root / "etc/ssh/ssh_host_ed25519_key.pub", Path(f"{key}.pub").read_text())
        home = root / "home" / DEPLOY_USER
        (home / ".ssh").mkdir(parents=True)
        shutil.copytree(Path(self.inventory.base) / "home" / DEPLOY_USER, home, dirs_exist_ok=True)
        write_atomic(home / ".ssh/authorized_keys", Path(f"{self.place.deploy_key}.pub").read_text(), 0o600)
        owner = (Path(self.inventory.base) / "home" / DEPLOY_USER).stat()
        (home / ".ssh").chmod(0o700)
        home.chmod(owner.st_mode & 0o7777)
        for path in (home, *home.rglob("*")):
            shutil.chown(path, owner.st_uid, owner.st_gid)

    def _network(self) -> str:
        shape = self.inventory.shape
        return (
            "[Match]\nName=host0\n\n[Network]\n"
            f"Address={self.address}/{shape.network.prefixlen}\nGateway={shape.gateway}\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        )


def _is_leader(pid: int) -> bool:
    """Whether a child of systemd-nspawn is the host's PID 1, past systemd-nspawn's own preparations."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    pids = fields.get("NSpid", "").split()
    name = fields["Name"].strip()
    return len(pids) > 1 and pids[-1] == "1" and name != "systemd-nspawn" and not name.startswith("(sd-")


def _last_words(log: Path) -> str:
    lines = (
        [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    )
    return lines[-1][-200:] if lines else "no output"
