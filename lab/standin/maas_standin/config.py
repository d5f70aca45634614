"""regiond.conf and rackd.conf, read and written with MAAS's semantics (maas-facts §2)."""

import contextlib
import grp
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

from . import version
from .validators import Flag, Invalid, Number, Text, Url, UrlList

__all__ = [
    "DEFAULT_URL",
    "Invalid",
    "Key",
    "RackConfig",
    "RegionConfig",
    "Setting",
    "load",
    "rack_keys",
    "read_rack",
    "read_region",
    "read_region_for_server",
    "region_keys",
    "store",
    "write_private",
]

Setting = str | int | bool | list[str]
"""One value as it stands in the file."""

DEFAULT_URL = "http://localhost:5240/MAAS"
DEFAULT_WORKERS = 4
PRIVATE = 0o640
REGIOND_CONF = Path("/etc/maas/regiond.conf")
RACKD_CONF = Path("/etc/maas/rackd.conf")

_T = TypeVar("_T")
_Version = tuple[int, int]


class Kind(Protocol):
    """How a value is checked when it is read from the file, and when a command sets it."""

    def read(self, raw: object) -> Setting | tuple[str, ...]:
        """The value of what YAML gave; raises Invalid or TypeError."""
        ...

    def parse(self, text: str) -> Setting:
        """The value of a command line argument; raises Invalid."""
        ...


@dataclass(frozen=True)
class Key:
    """One key of a configuration file."""

    name: str
    default: Setting | tuple[str, ...]
    kind: Kind

    @property
    def option(self) -> str:
        """Its name on the command line, without the dashes (maas-facts §1.2)."""
        return self.name.replace("_", "-")


def _key(kind: Kind, default: _T, since: _Version = (2, 9), until: _Version = (9, 9)) -> _T:
    return field(default=default, metadata={"default": default, "kind": kind, "since": since, "until": until})


@dataclass(frozen=True)
class RegionConfig:
    """regiond.conf."""

    maas_url: str = _key(Url(), DEFAULT_URL)
    database_host: str = _key(Text(), "localhost")
    database_port: int = _key(Number(1, 65535), 5432)
    database_name: str = _key(Text(), "maasdb")
    database_user: str = _key(Text(), "maas")
    database_pass: str = _key(Text(), "")
    database_conn_max_age: int = _key(Number(0), 300)
    database_keepalive: bool = _key(Flag(), True)
    database_keepalive_idle: int = _key(Number(0), 15)
    database_keepalive_interval: int = _key(Number(0), 15)
    database_keepalive_count: int = _key(Number(0), 2)
    num_workers: int = _key(Number(1), DEFAULT_WORKERS)
    debug: bool = _key(Flag(), False)
    debug_queries: bool = _key(Flag(), False)
    debug_http: bool = _key(Flag(), False)
    vault_url: str = _key(Text(), "", since=(3, 3))
    vault_secrets_mount: str = _key(Text(), "secret", since=(3, 3))
    vault_secrets_path: str = _key(Text(), "", since=(3, 3))
    vault_approle_id: str = _key(Text(), "", since=(3, 3))
    vault_secret_id: str = _key(Text(), "", since=(3, 3))
    broadcast_address: str = _key(Text(), "", since=(3, 5))


@dataclass(frozen=True)
class RackConfig:
    """rackd.conf."""

    maas_url: tuple[str, ...] = _key(UrlList(), (DEFAULT_URL,))
    debug: bool = _key(Flag(), False)
    tftp_port: int = _key(Number(0, 65535), 69)
    tftp_root: str = _key(Text(), "/var/lib/maas/tftp_root")
    cluster_uuid: str = _key(Text(), "", until=(3, 4))
    max_idle_rpc_connections: int = _key(Number(1), 1, since=(3, 3))
    max_rpc_connections: int = _key(Number(1), 4, since=(3, 3))
    rpc_keepalive: int = _key(Number(1), 1000, since=(3, 3))
    tftp_max_blksize: int = _key(Number(1), 1456, since=(3, 5))
    httpproxy_cache_size: int = _key(Number(1), 20, since=(3, 5))


def _keys(config: type[RegionConfig] | type[RackConfig], minor: _Version) -> list[Key]:
    return [
        Key(f.name, f.metadata["default"], f.metadata["kind"])
        for f in fields(config)
        if f.metadata["since"] <= minor <= f.metadata["until"]
    ]


def region_keys(minor: _Version = version.MINOR) -> list[Key]:
    """The keys that this MAAS knows in regiond.conf."""
    return _keys(RegionConfig, minor)


def rack_keys(minor: _Version = version.MINOR) -> list[Key]:
    """The keys that this MAAS knows in rackd.conf."""
    return _keys(RackConfig, minor)


def load(path: Path) -> dict[str, object]:
    """The file's keys as they stand, unchecked; empty if there is no file.

    Raises:
        Invalid: the file isn't a YAML mapping.
        OSError: it can't be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise Invalid(f"{path}: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise Invalid(f"{path}: not a mapping")
    return content


def _checked(keys: list[Key], content: Mapping[str, object]) -> dict[str, Any]:
    # Unknown keys are ignored silently (maas-facts §2). The dictionary only passes on to a dataclass of the same keys.
    return {key.name: key.kind.read(content[key.name]) for key in keys if key.name in content}


def read_region(path: Path = REGIOND_CONF) -> RegionConfig:
    """regiond.conf with its defaults filled in; all defaults if there is no file.

    Raises:
        Invalid: a number out of its limits, e.g. `num_workers: 0` or port 99999.
        TypeError: text in place of a number, e.g. `num_workers: '8'`.
        OSError: the file can't be read.
    """
    return RegionConfig(**_checked(region_keys(), load(path)))


def read_region_for_server(path: Path = REGIOND_CONF) -> RegionConfig:
    """As `read_region`, but with 4 workers, silently, where `num_workers` is not a number (maas-facts §2, §0a)."""
    content = load(path)
    if not isinstance(content.get("num_workers", DEFAULT_WORKERS), int):
        content["num_workers"] = DEFAULT_WORKERS
    return RegionConfig(**_checked(region_keys(), content))


def read_rack(path: Path = RACKD_CONF) -> RackConfig:
    """rackd.conf with its defaults filled in; all defaults if there is no file.

    Raises:
        Invalid, TypeError, OSError: as `read_region`.
    """
    return RackConfig(**_checked(rack_keys(), load(path)))


def store(path: Path, content: Mapping[str, object], group: str = "maas") -> None:
    """Write a configuration file; owner and mode as `write_private`."""
    write_private(path, yaml.safe_dump(dict(content), default_flow_style=False), group)


def write_private(path: Path, text: str, group: str = "maas") -> None:
    """Replace a file at once: an existing one keeps owner and mode, a new one is this user's, `group`'s and 0640.

    (maas-facts §0a, rows 1.2 and 1.3.)

    Raises:
        PermissionError: the file's owner is someone else, as for regiond on a root:maas file (maas-facts §2).
        KeyError: no such group.
    """
    try:
        before = path.stat()
        owner, group_id, mode = before.st_uid, before.st_gid, before.st_mode & 0o7777
    except FileNotFoundError:
        owner, group_id, mode = os.geteuid(), grp.getgrnam(group).gr_gid, PRIVATE
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchown(file.fileno(), owner, group_id)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
