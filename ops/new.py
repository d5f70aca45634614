"""A first stack file from a few answers, and the host keys that it pins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import jinja2

from config.finding import StackFileError
from config.stack_file import of_text
from config.versions import VERSIONS
from ops.hosts import explain

SCAN_SECONDS = 10.0
"""Longest wait for a host's key."""

WORKERS = 4
"""MAAS's own default (maas-facts §2)."""

DISTRIBUTION_POSTGRES: dict[str, int] = {version: facts.ubuntu_postgres for version, facts in VERSIONS.items()}
"""MAAS version → PostgreSQL of the Ubuntu release that it installs on."""


class NewStackError(ValueError):
    """The stack file can't be written; nothing was."""


@dataclass(frozen=True)
class NamedHost:
    """A host as `NAME=ADDRESS` gives it."""

    name: str
    address: str


@dataclass(frozen=True)
class Dhcp:
    """A subnet and its dynamic range, as `SUBNET,FIRST-LAST` gives them."""

    subnet: str
    start: str
    end: str


@dataclass(frozen=True)
class Answers:
    """What a first stack file is made from."""

    stack: str
    version: str
    packaging: str
    email: str
    user: str
    database: NamedHost
    postgres: int
    regions: tuple[NamedHost, ...]
    racks: tuple[NamedHost, ...]
    load_balancer: NamedHost
    dhcp: Dhcp | None
    known_hosts: str

    @property
    def hosts(self) -> tuple[NamedHost, ...]:
        """Each host once."""
        return tuple(dict.fromkeys((self.database, *self.regions, *self.racks, self.load_balancer)))


@dataclass(frozen=True)
class HostKey:
    """What a machine said of itself."""

    host: NamedHost
    line: str
    """`TYPE BASE64`."""
    fingerprint: str
    """`SHA256:…`, as `ssh-keygen -l` shows it."""


def named_host(text: str) -> NamedHost:
    """`NAME=ADDRESS`. Raises `NewStackError`."""
    name, _, address = text.partition("=")
    if not name or not address:
        raise NewStackError(f"{text!r} is not NAME=ADDRESS, such as region1=198.51.100.21")
    return NamedHost(name.strip(), address.strip())


def dhcp(text: str) -> Dhcp:
    """`SUBNET,FIRST-LAST`. Raises `NewStackError`."""
    subnet, _, span = text.partition(",")
    start, _, end = span.partition("-")
    if not (subnet and start and end):
        raise NewStackError(f"{text!r} is not SUBNET,FIRST-LAST, such as 198.51.100.0/24,198.51.100.100-198.51.100.199")
    return Dhcp(subnet.strip(), start.strip(), end.strip())


def render(answers: Answers) -> str:
    """The stack file, with comments."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  YAML, no HTML
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("stack.yaml").render(
        stack=answers.stack,
        version=answers.version,
        packaging=answers.packaging,
        email=answers.email,
        user=answers.user,
        known_hosts=answers.known_hosts,
        hosts=answers.hosts,
        database=answers.database.name,
        postgres=answers.postgres,
        regions=[region.name for region in answers.regions],
        workers=WORKERS,
        racks=[rack.name for rack in answers.racks],
        load_balancer=answers.load_balancer.name,
        dhcp=answers.dhcp,
    )


async def scan(hosts: Sequence[NamedHost]) -> list[HostKey]:
    """The key that each host shows, asked side by side. Raises `NewStackError` with every host that shows none."""
    found = await asyncio.gather(*(_key_of(host) for host in hosts))
    silent = [answer for answer in found if isinstance(answer, str)]
    if silent:
        raise NewStackError("\n".join(silent))
    return [answer for answer in found if isinstance(answer, HostKey)]


async def _key_of(host: NamedHost) -> HostKey | str:
    try:
        async with asyncio.timeout(SCAN_SECONDS):
            key = await asyncssh.get_server_host_key(host.address, config=None)
    except TimeoutError:
        return f"{host.name} ({host.address}): no answer on port 22 within {SCAN_SECONDS:.0f} s"
    except (OSError, asyncssh.Error) as error:
        return f"{host.name} ({host.address}): {explain(error)}"
    if key is None:
        return f"{host.name} ({host.address}): shows no host key"
    line = key.export_public_key("openssh").decode().split()
    return HostKey(host, f"{line[0]} {line[1]}", key.get_fingerprint())


def free(stack: str, project: Path) -> Path:
    """Path of the stack file, which isn't there yet. Raises `NewStackError` if it is."""
    path = project / f"Pulumi.{stack}.yaml"
    if path.exists():
        raise NewStackError(f"{path.name} exists: edit it, or choose another name")
    return path


def write(answers: Answers, keys: Sequence[HostKey], project: Path) -> Path:
    """Write stack file and known_hosts; the stack file's path.

    Raises, with nothing written, `StackFileError` with every problem where the answers can't work; `NewStackError`
    where the stack file exists or a file can't be written.
    """
    path, known_hosts = free(answers.stack, project), project / answers.known_hosts
    text = render(answers)
    try:
        before = known_hosts.read_text(encoding="utf-8") if known_hosts.exists() else ""
        _write(known_hosts, before + "".join(f"{key.host.address} {key.line}\n" for key in keys))
        try:
            of_text(text.encode(), path.name, project)
            _write(path, text)
        except (StackFileError, OSError):
            _write(known_hosts, before) if before else known_hosts.unlink()
            raise
    except OSError as error:
        raise NewStackError(f"{path.name} and {known_hosts.name}: {error.strerror}; nothing was written") from None
    return path


def _write(path: Path, text: str) -> None:
    staged = path.with_name(f".{path.name}.new")
    try:
        staged.write_text(text, encoding="utf-8")
        os.replace(staged, path)  # noqa: PTH105 - Path.replace says the same; this one says atomic
    finally:
        staged.unlink(missing_ok=True)
