"""The table of the API's resources, and how a request finds its action (maas-facts §5)."""

import re
from http import HTTPStatus

from . import (
    api_controllers,
    api_describe,
    api_iprange,
    api_machines,
    api_network,
    api_settings,
    api_subnet,
    api_tags,
    oauth,
    processes,
)
from .api_resource import Action, Call, Resource
from .db import Cursor
from .pool import Pool
from .power import Racks
from .web import ApiError, Request, Response, refuse

PREFIX = "/MAAS/api/2.0/"
RPC_PATH = "/MAAS/rpc/"

RESOURCES: tuple[Resource, ...] = (
    *api_settings.RESOURCES,
    *api_controllers.RESOURCES,
    *api_network.RESOURCES,
    *api_subnet.RESOURCES,
    *api_iprange.RESOURCES,
    *api_machines.RESOURCES,
    *api_tags.RESOURCES,
)


def answer(request: Request, pool: Pool, racks: Racks) -> Response:
    """The response to any request. Raises psycopg2.Error when the database doesn't answer."""
    try:
        if request.path == RPC_PATH:
            return pool.transaction(_rpc_info)
        if request.path == f"{PREFIX}describe/":
            return Response.json(api_describe.describe(RESOURCES, request))
        resource, arguments = _resource(request.path)
        user = pool.transaction(lambda cur: oauth.authenticate(cur, request))
        action = _action(resource, request, user)
        return pool.transaction(lambda cur: action.run(Call(cur, request, arguments, user, racks)))
    except ApiError as error:
        return error.response


def _rpc_info(cur: Cursor) -> Response:
    """What racks poll and proxies check; it reads the database (maas-facts §4.2, §8)."""
    return Response.json({"eventloops": processes.event_loops(cur)})


def _resource(path: str) -> tuple[Resource, dict[str, str]]:
    if path.startswith(PREFIX):
        rest = path.removeprefix(PREFIX)
        for resource in RESOURCES:
            match = re.fullmatch(resource.pattern, rest)
            if match is not None:
                return resource, match.groupdict()
        # The trailing slash is part of every path (maas-facts §5).
        raise refuse(HTTPStatus.NOT_FOUND, f"Unknown API endpoint: {path}.")
    raise refuse(HTTPStatus.NOT_FOUND, "Not Found")


def _action(resource: Resource, request: Request, user: oauth.User | None) -> Action:
    for action in resource.actions:
        if (action.method, action.op) == (request.method, request.op):
            break
    else:
        if user is None and not resource.anonymous:
            raise refuse(HTTPStatus.UNAUTHORIZED, "Forbidden")
        raise _unrecognised(request)
    if user is None and not action.anonymous:
        # A resource with an anonymous side doesn't have the operation there; any other just wants a key
        # (maas-facts §0a, row 5).
        raise _unrecognised(request) if resource.anonymous else refuse(HTTPStatus.UNAUTHORIZED, "Forbidden")
    if action.admin and not (user and user.is_superuser):
        raise refuse(HTTPStatus.FORBIDDEN, "This method is reserved for admin users.")
    return action


def _unrecognised(request: Request) -> ApiError:
    text = f"Unrecognised signature: method={request.method} op={request.op}"
    return refuse(HTTPStatus.BAD_REQUEST, text)
