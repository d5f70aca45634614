"""Where MAAS keeps its files, installed from packages or as a snap (maas-facts §2)."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Every file the daemons read or write.

    `MAAS_ROOT` in the environment moves all of them, as tests of several hosts on one machine need.
    """

    root: Path = Path("/")
    snap: bool = False
    """Whether MAAS is the snap, which `snap run` tells by `SNAP_COMMON`."""

    @classmethod
    def here(cls) -> "Paths":
        """The paths of this process."""
        return cls(Path(os.environ.get("MAAS_ROOT", "/")), "SNAP_COMMON" in os.environ)

    @property
    def common(self) -> Path:
        """The snap's data that all its revisions share."""
        return self.root / "var/snap/maas/common"

    @property
    def current(self) -> Path:
        """The snap's data of this revision: a refresh copies it (maas-facts §2)."""
        return self.root / "var/snap/maas/current"

    @property
    def configuration(self) -> Path:
        """Folder of regiond.conf and rackd.conf."""
        return self.current if self.snap else self.root / "etc/maas"

    @property
    def regiond_conf(self) -> Path:
        """The region's settings."""
        return self.configuration / "regiond.conf"

    @property
    def rackd_conf(self) -> Path:
        """The rack's settings."""
        return self.configuration / "rackd.conf"

    @property
    def certificates(self) -> Path:
        """Folder of the cluster's certificates (MAAS ≥ 3.5)."""
        return (self.current if self.snap else self.state) / "certificates"

    @property
    def snap_mode(self) -> Path:
        """`region`, `rack` or `region+rack`; absent before `maas init` (maas-facts §1.1)."""
        return self.common / "snap_mode"

    @property
    def supervisor_socket(self) -> Path:
        """Where the snap's supervisor takes orders."""
        return self.current / "supervisord/sock"

    @property
    def runs_region(self) -> bool:
        """Whether this host is a region controller."""
        if self.snap:  # whose `init rack` writes a regiond.conf too
            return "region" in (read_text(self.snap_mode) or "")
        return self.regiond_conf.exists()

    @property
    def standin_conf(self) -> Path:
        """The stand-in's own knobs; MAAS has no such file."""
        return self.root / "etc/maas/standin.conf"

    @property
    def state(self) -> Path:
        """The data folder; holds everything below except the logs."""
        return self.common / "maas" if self.snap else self.root / "var/lib/maas"

    @property
    def logs(self) -> Path:
        """Log folder of MAAS ≤ 3.4 (maas-facts §10)."""
        return self.common / "log" if self.snap else self.root / "var/log/maas"

    @property
    def secret(self) -> Path:
        """Shared secret: 32 hexadecimal characters, no newline."""
        return self.state / "secret"

    @property
    def maas_id(self) -> Path:
        """The controller's system_id."""
        return self.state / "maas_id"

    @property
    def maas_uuid(self) -> Path:
        """The deployment's UUID."""
        return self.state / "maas_uuid"

    @property
    def rpc_state(self) -> Path:
        """Region URLs a rack was last connected to, one a line."""
        return self.state / "rpc.state"

    @property
    def dhcpd_conf(self) -> Path:
        """Rendered by rackd, never deployed."""
        return self.state / "dhcpd.conf"

    @property
    def dhcpd_interfaces(self) -> Path:
        """Interfaces the DHCP unit passes to dhcpd."""
        return self.state / "dhcpd-interfaces"

    @property
    def dhcpd_socket(self) -> Path:
        """rackd's socket for dhcpd's notifications; a leftover stops rackd from starting (maas-facts §0a, row 10)."""
        return self.state / "dhcpd.sock"

    def webapp_socket(self, worker: int) -> Path:
        """Where worker number `worker` (from 0) serves HTTP to nginx."""
        return self.state / f"maas-regiond-webapp.sock.{worker}"


def read_text(path: Path) -> str | None:
    """Content without surrounding blanks, or None if there is no such file or nothing in it."""
    try:
        return path.read_text("ascii").strip() or None
    except FileNotFoundError:
        return None


def write_atomically(path: Path, text: str, mode: int = 0o640) -> None:
    """Replace `path` in one step; the owner is the daemon's own user, as in MAAS."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
