"""Where MAAS's API answers (maas-facts §8). `maas_url` in MAAS's own files stays http, whatever TLS there is."""

from __future__ import annotations

from config.topology import Topology


def region_url(address: str, tls_port: int = 0) -> str:
    """The API of one region, without the load balancer; https on `tls_port` if that isn't 0."""
    host = _in_url(address)
    return f"https://{host}:{tls_port}/MAAS" if tls_port else f"http://{host}:5240/MAAS"


def region_urls(topology: Topology, tls_port: int = 0) -> tuple[str, ...]:
    """The same of every region, in the stack file's order."""
    return tuple(region_url(str(topology.hosts[name].address), tls_port) for name in topology.regions)


def balanced_url(address: str, *, tls: bool = False) -> str:
    """The API behind the load balancer, which passes 443 on to the regions' own TLS."""
    return f"{'https' if tls else 'http'}://{_in_url(address)}/MAAS"


def _in_url(address: str) -> str:
    """An IPv6 address stands in brackets there."""
    return f"[{address}]" if ":" in address else address
