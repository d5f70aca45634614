"""Who a host is in MAAS, and in which MAAS (maas-facts §2, §4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from agent import disk
from agent.errors import StepError
from agent.machine import Machine
from agent.packaging import Packaging

SECRET_FORM = re.compile(r"[0-9a-f]{32}")
"""16 bytes; the text itself is a key of 3.5 and later, which takes no other length (maas-facts §3)."""
URL = re.compile(r"""https?://[^\s'",\]]+""")
LOCAL = {"localhost", "127.0.0.1", "::1"}
"""What a package's own rackd.conf names before anybody wrote one."""


def read_system_id(machine: Machine, packaging: Packaging) -> str:
    """This controller's system_id, "" if it has none; it may change, so it is read each time (maas-facts §4.5)."""
    return _read(machine, packaging.maas_id)


def identity_paths(packaging: Packaging) -> tuple[str, ...]:
    """What a rack keeps of its MAAS beside rackd.conf and the secret; in another it breaks it (maas-facts §4.9)."""
    names = ("maas_id", "maas_uuid", "rpc.state")
    return (*(f"{packaging.data}/{name}" for name in names), packaging.certificates, packaging.agent_yaml)


def forget_identity(machine: Machine, packaging: Packaging) -> None:
    """Delete what `identity_paths` names; nothing of it means anything once MAAS has forgotten the rack."""
    for path in identity_paths(packaging):
        disk.remove_tree(machine.paths.at(path))


def refuse_other_maas(
    machine: Machine, packaging: Packaging, urls: Iterable[str], secret: str, known: Callable[[], set[str]]
) -> None:
    """Refuse a rack that is of another MAAS than the one at `urls`, whose shared secret is `secret`.

    It is ours if it has our secret, or names one of our addresses, or if our MAAS knows its system_id: `known` asks for
    all of those, and is only called where nothing else tells. Raises `StepError`.
    """
    if _read(machine, packaging.secret) == secret:
        return
    named = URL.findall(_read(machine, packaging.rackd_conf))
    hosts, ours = {_host(url) for url in named} - LOCAL, {_host(url) for url in urls}
    if hosts & ours:
        return
    kept = [path for path in identity_paths(packaging) if disk.exists(machine.paths.at(path))]
    if not hosts and not kept:
        return
    system_id = read_system_id(machine, packaging)
    if system_id and system_id in known():
        return
    seen = [f"rackd.conf names {', '.join(url for url in named if _host(url) in hosts)}"] if hosts else []
    seen += [f"{', '.join(kept)} are there"] if kept else []
    who = f"the rack {system_id}" if system_id else "a rack"
    raise StepError(
        f"this host is {who} of another MAAS ({'; '.join(seen)}): a rack never moves in place, for it keeps the old"
        " MAAS's certificates and addresses (maas-facts §4.9)\n"
        "Take it out of the stack file that it is in and run `pulumi up` there. Where no stack has it: delete it in"
        f" that MAAS, then {_purge(packaging)} on this host and delete {packaging.data} and {packaging.rackd_conf}"
    )


def _purge(packaging: Packaging) -> str:
    snap = packaging.name == "snap"
    return "run `snap remove --purge maas`" if snap else f"run `apt-get purge {packaging.rack_packages[0]}`"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _read(machine: Machine, path: str) -> str:
    try:
        return machine.paths.at(path).read_text().strip()
    except FileNotFoundError:
        return ""
