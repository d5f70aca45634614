"""What a resource of the API is: a path and the actions on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .db import Cursor
from .oauth import User
from .power import Racks
from .web import Request, Response


@dataclass(frozen=True)
class Call:
    """One authenticated call of an action."""

    cur: Cursor
    request: Request
    arguments: dict[str, str]
    """The parts of the path."""
    user: User | None
    racks: Racks
    """Those that are connected to this process."""


@dataclass(frozen=True)
class Action:
    """One method, or named operation, of a resource."""

    name: str
    method: str
    run: Callable[[Call], Response]
    op: str | None = None
    anonymous: bool = False
    admin: bool = False


@dataclass(frozen=True)
class Resource:
    """A handler of MAAS's API, under its real name: `describe/` and clients go by it."""

    name: str
    path: str
    """Below /MAAS/api/2.0/, with `{parameters}`."""
    actions: tuple[Action, ...]
    anonymous: bool = False
    """Whether it has a side for callers without a key, even one without any action."""

    @property
    def params(self) -> list[str]:
        """Names of the path's parameters, in order."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def pattern(self) -> str:
        """The path as a regular expression."""
        return re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path)


def read(run: Callable[[Call], Response], *, anonymous: bool = False) -> Action:
    """GET."""
    return Action("read", "GET", run, anonymous=anonymous)


def create(run: Callable[[Call], Response]) -> Action:
    """POST, for administrators."""
    return Action("create", "POST", run, admin=True)


def update(run: Callable[[Call], Response]) -> Action:
    """PUT, for administrators."""
    return Action("update", "PUT", run, admin=True)


def delete(run: Callable[[Call], Response]) -> Action:
    """DELETE, for administrators."""
    return Action("delete", "DELETE", run, admin=True)


def operation(name: str, method: str, run: Callable[[Call], Response], *, admin: bool = False) -> Action:
    """`?op=NAME`."""
    return Action(name, method, run, op=name, admin=admin)
