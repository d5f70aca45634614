"""MAAS's controllers as it lists them, and their versions side by side (maas-facts §0a row 5, §5, §9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent.maas_api import MaasApi

NUMBERS = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Controller:
    """A region or rack controller."""

    system_id: str
    hostname: str
    version: str
    """Short form, "" before it told MAAS."""
    macs: frozenset[str]
    """Lower case."""
    runs_rackd: bool
    """True if MAAS calls its rackd running."""


def controllers(api: MaasApi) -> list[Controller]:
    """Every controller once. Raises `StepError` if MAAS refuses or nobody answers."""
    listed = [*api.read("regioncontrollers/"), *api.read("rackcontrollers/")]  # of one that is both, the rack's entry
    return list({str(item.get("system_id")): _controller(item) for item in listed}.values())


def short_version(text: str) -> str:
    """`3.4.10` of a package's `1:3.4.10-14366-g.518bf2c80-0ubuntu1`, of MAAS's long form, or of itself."""
    found = NUMBERS.search(text.partition(":")[2] or text)
    return found[0] if found else ""


def mixed_versions(versions: Mapping[str, str]) -> str:
    """Which controllers (name → version in any form) run which version if they differ, oldest first; else ""."""
    by_version: dict[str, list[str]] = {}
    for name, version in sorted(versions.items()):
        if short := short_version(version):
            by_version.setdefault(short, []).append(name)
    ordered = sorted(by_version, key=lambda short: [int(part) for part in short.split(".")])
    if len(ordered) < 2:
        return ""
    return "; ".join(f"{short} on {', '.join(by_version[short])}" for short in ordered)


def _controller(item: dict[str, object]) -> Controller:
    return Controller(
        system_id=str(item.get("system_id")),
        hostname=str(item.get("hostname")),
        version=short_version(str(item.get("version") or "")),
        macs=frozenset(str(entry.get("mac_address")).lower() for entry in _entries(item, "interface_set")),
        runs_rackd=any(
            entry.get("name") == "rackd" and entry.get("status") == "running" for entry in _entries(item, "service_set")
        ),
    )


def _entries(item: dict[str, object], name: str) -> list[dict[str, object]]:
    value = item.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
