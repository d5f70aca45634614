"""Where MAAS's API answers (maas-facts §8)."""

from __future__ import annotations


def region_url(address: str) -> str:
    """The API of one region, without the load balancer."""
    return f"http://{_in_url(address)}:5240/MAAS"


def balanced_url(address: str) -> str:
    """The API behind the load balancer; http even where MAAS has TLS (maas-facts §8)."""
    return f"http://{_in_url(address)}/MAAS"


def _in_url(address: str) -> str:
    """An IPv6 address stands in brackets there."""
    return f"[{address}]" if ":" in address else address
