"""HAProxy in front of every region's API: on one host, or on several that share an address."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from config.forms import HostName
from config.model import AsText, Model

LOCAL_PORT = 8404
"""Where each HAProxy tells its own host, and nobody else, that it is ready, and its figures to Prometheus."""


def _has_prefix(value: object) -> object:
    """Without one, the address would be a network of its own."""
    if isinstance(value, str) and "/" not in value:
        remedy = "write the prefix of the balancers' network with it, such as 198.51.100.40/24"
        raise PydanticCustomError("prefix", "{problem}", {"problem": "doesn't tell its network", "remedy": remedy})
    return value


VirtualAddress = Annotated[ipaddress.IPv4Interface, AsText, BeforeValidator(_has_prefix)]


class LoadBalancer(Model):
    """HAProxy on one host, at whose address clients reach MAAS."""

    host: HostName

    @property
    def named(self) -> dict[str, HostName]:
        """Path in the stack file → host."""
        return {"load_balancer.host": self.host}


class SharedLoadBalancer(Model):
    """HAProxy on several hosts, one of which has the address that clients use; another takes it when that one fails."""

    hosts: tuple[HostName, ...] = Field(min_length=1, description="The first has the address when all start at once")
    virtual_address: VirtualAddress = Field(
        description="IPv4 address that clients use, and the prefix of the balancers' network, such as 198.51.100.40/24"
    )
    virtual_router_id: int = Field(
        80, strict=True, ge=1, le=255, description="Another one than any other VRRP of that network has"
    )

    @property
    def named(self) -> dict[str, HostName]:
        """Path in the stack file → host."""
        return {f"load_balancer.hosts[{index}]": name for index, name in enumerate(self.hosts)}


def _kind(value: object) -> str:
    """Which of the two a stack file means: the shared one as soon as it names any of its fields."""
    shared = value.keys() & SharedLoadBalancer.model_fields if isinstance(value, dict) else not hasattr(value, "host")
    return "hosts" if shared else "host"


AnyLoadBalancer = Annotated[
    Annotated[LoadBalancer, Tag("host")] | Annotated[SharedLoadBalancer, Tag("hosts")], Discriminator(_kind)
]
