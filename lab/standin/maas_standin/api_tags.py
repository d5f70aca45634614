"""Tags: labels of machines, here without the machines (MAAS's src/maasserver/api/tags.py and models/tag.py)."""

import re
from http import HTTPStatus

import psycopg2.errors

from .api_resource import Call, Resource, create, delete, read
from .db import Row
from .web import NO_CONTENT, Response, invalid, refuse

NAME = re.compile(r"[\w-]{1,256}")


def _show(row: Row) -> dict[str, object]:
    return {
        "name": row["name"],
        "definition": "",
        "comment": row["comment"],
        "kernel_opts": "",
        "resource_uri": f"/MAAS/api/2.0/tags/{row['name']}/",
    }


def _read_all(call: Call) -> Response:
    call.cur.execute("SELECT * FROM maasserver_tag ORDER BY id")
    return Response.json([_show(row) for row in call.cur.fetchall()])


def _read_one(call: Call) -> Response:
    return Response.json(_show(_tag(call)))


def _create(call: Call) -> Response:
    """Answers 200, not 201; a definition, by which MAAS finds the machines itself, is left out."""
    name = call.request.form.get("name", "")
    if not name:
        raise invalid({"name": ["This field is required."]})
    if not NAME.fullmatch(name):
        raise invalid({"name": ["Enter a valid value."]})
    try:
        call.cur.execute(
            "INSERT INTO maasserver_tag (name, comment) VALUES (%s, %s) RETURNING *",
            (name, call.request.form.get("comment", "")),
        )
    except psycopg2.errors.UniqueViolation:
        raise invalid({"name": ["Tag with this Name already exists."]}) from None
    row = call.cur.fetchone()
    return Response.json(_show(row) if row else {})


def _delete(call: Call) -> Response:
    call.cur.execute("DELETE FROM maasserver_tag WHERE name = %s", (_tag(call)["name"],))
    return NO_CONTENT


def _tag(call: Call) -> Row:
    call.cur.execute("SELECT * FROM maasserver_tag WHERE name = %s", (call.arguments["name"],))
    row: Row | None = call.cur.fetchone()
    if row is None:
        raise refuse(HTTPStatus.NOT_FOUND, "No Tag matches the given query.")
    return row


RESOURCES = (
    Resource("TagsHandler", "tags/", (read(_read_all), create(_create))),
    Resource("TagHandler", "tags/{name}/", (read(_read_one), delete(_delete))),
)
