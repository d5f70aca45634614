"""What a strictly confined snap may open (maas-facts §8: it can read only e.g. /var/snap/maas/common).

Stands for AppArmor: the interpreter itself refuses, for this process and whatever it imports.
"""

import errno
import os
import sys
from pathlib import Path

OWN = ("/var/snap/maas/", "/snap/maas/", "/run/snap.maas/")
BASE = ("/usr/", "/lib/", "/lib64/", "/bin/", "/proc/", "/sys/", "/dev/", "/run/systemd/", "/run/snapd")
ETC = (
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime"),
    *("/etc/ssl/certs/", "/etc/ssl/openssl.cnf", "/etc/python3"),
)
KNOBS = ("/etc/maas/standin.conf",)
"""Not MAAS's: the stand-in's own."""
WRITABLE = ("/var/snap/maas/", "/run/snap.maas/", "/dev/", "/proc/")
WRITING = os.O_WRONLY | os.O_RDWR


def confine() -> None:
    """From now on this process opens nothing else."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    flags = arguments[2] if isinstance(arguments[2], int) else 0
    refuse(os.fsdecode(arguments[0]), writing=bool(flags & WRITING))


def refuse(path: str, *, writing: bool) -> None:
    """Raise PermissionError for what lies outside, FileNotFoundError below /tmp, which is the snap's own."""
    full = os.path.normpath(Path.cwd() / path)
    real = os.path.realpath(full) + ("/" if full.endswith("/") else "")
    if real.startswith("/tmp/"):  # noqa: S108 - the host's, which the snap doesn't see
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    allowed = WRITABLE if writing else (*OWN, *BASE, *ETC, *KNOBS)
    if not real.startswith(allowed):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
