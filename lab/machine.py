"""Whether this machine can carry a lab, said in one line where it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.files import locked_folder
from lab.namespaces import PRIVATE
from lab.progress import run_long, say

TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "dpkg-scanpackages": "dpkg-dev",
    "ssh": "openssh-client",
    "ssh-agent": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
"""Command → the package that carries it, on Debian and Ubuntu."""

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 1024

# Mounts an overlay and makes a bridge in namespaces that vanish with the shell.
PROBE = """
out=$(mount -t tmpfs tmpfs "$1/lower" 2>&1) || { echo "mounts: $out"; exit 1; }
out=$(mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/root" 2>&1) ||
    { echo "overlay: $out"; exit 1; }
out=$(ip link add name probe type bridge 2>&1) || { echo "bridge: $out"; exit 1; }
"""

_REMEDIES = {
    "overlay": "can't be the upper layer of an overlay; run the lab in a folder on ext4, xfs or btrfs",
    "bridge": "can't make a network bridge; load the kernel's bridge module (modprobe bridge)",
    "mounts": "can't mount in a namespace of its own; run on a machine, a VM or a privileged container",
}


def require_root() -> None:
    """Raises LabError unless the effective user is root: namespaces, mounts and bridges need it."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root for namespaces, mounts and a bridge: run it with sudo")


def require_tools(log_folder: Path) -> None:
    """Install the packages of missing commands with apt-get. Raises LabError that names them where that fails."""
    missing = _missing_packages()
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise LabError(f"the lab needs {', '.join(missing)}; it runs on Debian and Ubuntu")
    with locked_folder(log_folder / "tools"):  # of several labs that come up at once, one installs
        if missing := _missing_packages():
            _install(missing, log_folder / "tools.log")


def _missing_packages() -> list[str]:
    return sorted({package for command, package in TOOLS.items() if shutil.which(command) is None})


def _install(missing: list[str], log: Path) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "-oDPkg::Lock::Timeout=300", *missing]
    try:
        try:
            run_long(f"installing {', '.join(missing)}", install, log, env=environment)
        except LabError:
            run_long("reading the package mirror", ["apt-get", "update"], log, env=environment)
            run_long(f"installing {', '.join(missing)}", install, log, env=environment)
    except LabError as error:
        raise LabError(
            f"install these yourself, then try again: apt-get install {' '.join(missing)} ({error})"
        ) from error


def require_plain_path(folder: Path) -> None:
    """Raises LabError for a path that mount options and systemd-nspawn can't take."""
    for character in ",: \\":
        if character in str(folder):
            raise LabError(f"{folder} has a {character!r} in its name, which mounts can't take; use another folder")


def require_kernel(folder: Path, lock: int) -> None:
    """Raises LabError where `folder` can't hold overlays, or the kernel refuses namespaces or a bridge.

    What tries it holds the lab's lock to its end.
    """
    probe = folder / "probe"
    shutil.rmtree(probe, ignore_errors=True)
    for part in ("lower", "upper", "work", "root"):
        (probe / part).mkdir(parents=True)
    argv = [*PRIVATE[:-1], "--net", "sh", "-c", PROBE, "probe", str(probe)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, pass_fds=[lock])
    shutil.rmtree(probe)
    if found.returncode == 0:
        return
    text = (found.stdout + found.stderr).strip().replace("\n", " ")
    kind = text.partition(":")[0]
    remedy = _REMEDIES.get(kind, "has no namespaces for us; run on a machine, a VM or a privileged container")
    subject = str(folder) if kind == "overlay" else "this machine"
    raise LabError(f"{subject} {remedy} ({text})")


def allow_watches() -> None:
    """Raise the kernel's limit of inotify instances: each host's systemd takes some, and 128 is about 25 hosts."""
    try:
        if int(INOTIFY.read_text()) >= INOTIFY_INSTANCES:
            return
        INOTIFY.write_text(f"{INOTIFY_INSTANCES}\n")
    except OSError as error:
        warn(f"fs.inotify.max_user_instances stays small ({error.strerror}): hosts past the 25th may not boot")


def require_space(folder: Path, needed: int) -> None:
    """Raises LabError unless the disk of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LabError(f"{folder} has {free // 2**20} MiB free and the lab needs {needed // 2**20} MiB there")


def warn(text: str) -> None:
    say(f"warning: {text}")
