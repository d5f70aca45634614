"""pydantic's errors as the operator reads them: the place as it is written in the stack file, and what fits there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from config.finding import Finding
from config.forms import FORMS
from config.topology import Topology


def findings(errors: Iterable[ErrorDetails], whole: type[Topology]) -> list[Finding]:
    """One finding a place and problem of a `whole`; a value that fits no member of a union is told once."""
    return list(dict.fromkeys(_finding(detail, whole) for detail in errors))


def _finding(detail: ErrorDetails, whole: type[Topology]) -> Finding:
    written, above = _place(detail["loc"], whole)
    path = ".".join(map(str, written)).replace(".[", "[") or "maas-ha:cluster"
    match detail["type"]:
        case "extra_forbidden":
            return Finding(path, "is no field that this program knows", _did_you_mean(above, str(written[-1])))
        case "missing":
            return Finding(path, "is missing", "add it")
        case "union_tag_invalid":  # only `dhcp` can have it: `database` always is one of its two kinds
            return Finding(
                f"{path}.mode", "is no mode that this program knows", f"known: {_context(detail, 'expected_tags')}"
            )
        case "literal_error":
            return Finding(path, "is no value that fits here", f"write {_context(detail, 'expected')}")
        case "string_pattern_mismatch":
            form = FORMS[_context(detail, "pattern")]
            return Finding(path, f"is no {form.what}", form.fits)
        case "ip_v4_network" | "ip_v6_network":
            return Finding(path, "is no network", "write it such as 198.51.100.0/24, with zeros after the prefix")
        case "ip_v4_address" | "ip_v6_address":
            return Finding(path, "is no IP address that fits here", "write it such as 198.51.100.11")
        case "ip_v4_interface":
            return Finding(path, "is no IPv4 address with a prefix", "write it such as 198.51.100.40/24")
        case "model_type" | "dict_type" | "tuple_type":
            kind = "list" if detail["type"] == "tuple_type" else "mapping"
            return Finding(
                path, f"is no {kind}", f"write {'a list of values' if kind == 'list' else 'fields below it'}"
            )
        case _:
            message = detail["msg"].removeprefix("Value error, ")
            remedy = _context(detail, "remedy") or "see config/topology.py for what fits"
            return Finding(path, message[:1].lower() + message[1:], remedy)


def _context(detail: ErrorDetails, name: str) -> str:
    return str(detail.get("ctx", {}).get(name, ""))


def _place(location: tuple[int | str, ...], whole: type[Topology]) -> tuple[list[int | str], object]:
    """What of `location` is in a stack file or in arguments, and the type of what holds its last part.

    pydantic also names the member of a union that it tried, which nobody wrote.
    """
    written: list[int | str] = []
    above: object = None
    here: object = whole
    for part in location:
        if _is_model(here):
            above, field = here, here.model_fields.get(str(part))
            here = _plain(field.annotation) if field else None
        elif get_origin(here) in (dict, tuple):
            above, here = here, _plain(get_args(here)[-1 if get_origin(here) is dict else 0])
        else:
            here = _member(here, part)
            continue
        written.append(f"[{part}]" if isinstance(part, int) else part)
    return [part for part in written if part != "[key]"], above


def _member(union: object, tag: object) -> object:
    """The type that `tag` stands for in a tagged union; None for another type."""
    for member in get_args(union):
        if any(isinstance(mark, Tag) and mark.tag == tag for mark in getattr(member, "__metadata__", ())):
            return _plain(member)
    return None


def _plain(annotation: object) -> object:
    """A type without its metadata and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation):
        return _plain(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _did_you_mean(above: object, name: str) -> str:
    """The known field that is nearest to an unknown one, or all that are known in its place."""
    if not _is_model(above):
        return "take it out"
    near = difflib.get_close_matches(name, above.model_fields, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(above.model_fields)}"


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
