"""`GET /MAAS/api/2.0/describe/`: what API clients build themselves from."""

import hashlib
import json
from collections.abc import Iterable
from typing import TypedDict

from .api_resource import Action, Resource
from .web import Request

PREFIX = "/MAAS/api/2.0/"


class ActionDescription(TypedDict):
    """One action."""

    name: str
    method: str
    op: str | None
    restful: bool
    doc: str


class HandlerDescription(TypedDict):
    """One side, anonymous or not, of a resource."""

    name: str
    path: str
    uri: str
    params: list[str]
    doc: str
    actions: list[ActionDescription]


class ResourceDescription(TypedDict):
    """One resource."""

    name: str
    auth: HandlerDescription | None
    anon: HandlerDescription | None


class Description(TypedDict):
    """The whole document."""

    doc: str
    hash: str
    resources: list[ResourceDescription]


def describe(resources: Iterable[Resource], request: Request) -> Description:
    """The document for a client; scheme and host are those that nginx saw (maas-facts §8)."""
    scheme = request.headers.get("x-forwarded-proto", "http")
    host = request.headers.get("x-forwarded-host") or request.headers.get("host", "localhost:5240")
    base = f"{scheme}://{host}"
    described = [_resource(resource, base) for resource in sorted(resources, key=lambda r: r.name)]
    digest = hashlib.sha1(json.dumps([r["name"] for r in described]).encode(), usedforsecurity=False).hexdigest()
    return Description(doc="MAAS API", hash=digest, resources=described)


def _resource(resource: Resource, base: str) -> ResourceDescription:
    open_to_all = [a for a in resource.actions if a.anonymous]
    return ResourceDescription(
        name=resource.name,
        auth=_handler(resource, resource.name, base, resource.actions),
        anon=_handler(resource, f"Anon{resource.name}", base, open_to_all) if open_to_all else None,
    )


def _handler(resource: Resource, name: str, base: str, actions: Iterable[Action]) -> HandlerDescription:
    return HandlerDescription(
        name=name,
        path=PREFIX + resource.path,
        uri=base + PREFIX + resource.path,
        params=resource.params,
        doc=resource.name,
        actions=[
            ActionDescription(
                name=a.name, method=a.method, op=a.op, restful=a.op is None, doc=f"{a.name} of {resource.name}"
            )
            for a in actions
        ],
    )
