"""What every model of the stack file is made of."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _is_text(value: object) -> object:
    """YAML's 1 and true would be taken for the addresses 0.0.0.1 and 0.0.0.1."""
    if isinstance(value, bool | int | bytes):
        raise ValueError("an address is written as text, such as 198.51.100.11")
    return value


AsText = BeforeValidator(_is_text)
IPv4Address = Annotated[ipaddress.IPv4Address, AsText]
IPv4Network = Annotated[ipaddress.IPv4Network, AsText]
IPv6Network = Annotated[ipaddress.IPv6Network, AsText]
Address = Annotated[ipaddress.IPv4Address | ipaddress.IPv6Address, AsText]


class Model(BaseModel):
    """Strict about names, silent about values: an error never repeats what was in the file."""

    # Built when it is first asked for: the models inside `Topology` never are by themselves.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)
