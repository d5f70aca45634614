"""One role a file: what its files can't express. Only the role that a command is about is imported."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from agent.machine import Work
from agent.roles.base import Role


def role_class(role: str) -> type[Role]:
    """The class of a role of `agent.bundle.SETTINGS`: `IscDhcp` of `agent/roles/isc_dhcp.py` for "isc_dhcp"."""
    name = "".join(word.capitalize() for word in role.split("_"))
    return cast("type[Role]", getattr(importlib.import_module(f"{__name__}.{role}"), name))


def make_role(work: Work) -> Role:
    """The role of the bundle."""
    make = cast("Callable[[Work, object], Role]", role_class(work.bundle.role))
    return make(work, work.bundle.settings)
