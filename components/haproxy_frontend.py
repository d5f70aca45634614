"""HAProxy in front of every region's API (maas-facts §8)."""

from __future__ import annotations

import pulumi

from agent.bundle import Bundle, Effect, File, HaproxySettings
from components.args import Args
from components.host import Host
from components.render import render, shown_in_preview
from config.load_balancer import LOCAL_PORT
from config.ports import DRAIN_PORT, VIEW_PORT
from config.urls import balanced_url

PACKAGES = ("haproxy",)

UNIT = "haproxy.service"

STATS_SOCKET = "/run/haproxy/admin.sock"

STATE_DIR = "/var/lib/haproxy"
"""HAProxy's chroot, in which it leaves a socket."""

HTTPS_PORT = 443

HTTP_PORT = 5240
"""Of each region's own nginx, which speaks plain HTTP whatever TLS there is (maas-facts §8)."""


class HaproxyFrontendArgs(Args):
    """The balanced address of MAAS."""

    host: Host
    address: str
    regions: tuple[tuple[str, str], ...]
    """Name and address of each region."""
    ports: tuple[tuple[int, int], ...]
    """TCP routes: port here → port on each region."""
    tls_port: int = 0
    """Port of the regions' own TLS, 0 for none."""
    after: tuple[pulumi.Resource, ...] = ()
    """What must be done before this one is touched: another balancer, or regions' hosts, which refuse an older MAAS."""

    @property
    def routes(self) -> tuple[tuple[int, int], ...]:
        """All routes. TLS is also passed on by its own port: MAAS redirects clients of port 80 to that one (§12.3)."""
        if not self.tls_port:
            return self.ports
        return (*self.ports, *((port, self.tls_port) for port in dict.fromkeys((HTTPS_PORT, self.tls_port))))


class HaproxyFrontend(pulumi.ComponentResource):
    """HAProxy, listening. It needs no more than addresses, so it comes up beside the regions."""

    url: pulumi.Output[str]
    """Address that operators use, e.g. `https://198.51.100.41/MAAS`; http where MAAS has no TLS."""
    maas_url: pulumi.Output[str]
    """What MAAS itself is told of it: http, whatever TLS there is (maas-facts §8)."""

    def __init__(self, name: str, args: HaproxyFrontendArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        file = _haproxy_cfg(args)
        super().__init__("maas:index:HaproxyFrontend", name, shown_in_preview([file]), opts)
        ports = (*(port for port, _ in args.routes), LOCAL_PORT, VIEW_PORT)
        applied = args.host.apply(
            f"{name}-apply",
            Bundle(
                host=args.host.name,
                component=name,
                settings=HaproxySettings(ports=ports, stats_socket=STATS_SOCKET),
                packages=PACKAGES,
                files=(file,),
                units=(UNIT,),
                state_dirs=(STATE_DIR,),
            ),
            parent=self,
            secrets={},
            after=args.after,
        )
        self.url = applied.then(balanced_url(args.address, tls=bool(args.tls_port)))
        self.maas_url = applied.then(balanced_url(args.address))
        self.register_outputs({"url": self.url, "maas_url": self.maas_url})


def _haproxy_cfg(args: HaproxyFrontendArgs) -> File:
    content = render(
        "haproxy.cfg",
        stats_socket=STATS_SOCKET,
        local_port=LOCAL_PORT,
        bind=":::{} v4v6" if ":" in args.address else ":{}",
        host=args.address,
        drain_port=DRAIN_PORT,
        view_port=VIEW_PORT,
        regions=[{"name": region, "address": address} for region, address in args.regions],
        routes=_routes(args),
    )
    check = ("haproxy", "-c", "-f", "{staged}")
    return File("/etc/haproxy/haproxy.cfg", content, check=check, effect=Effect.RELOAD, units=(UNIT,))


def _routes(args: HaproxyFrontendArgs) -> list[dict[str, object]]:
    """Regions are asked for the first route of each check; the others track that one."""
    asked: dict[str, int] = {}
    routes: list[dict[str, object]] = []
    for port, to in args.routes:
        check = _check(args, to)
        asked_at = asked.setdefault(check, port)
        api, http = to in (HTTP_PORT, args.tls_port), to == HTTP_PORT
        routes.append({"port": port, "to": to, "api": api, "http": http, "check": check, "asked_at": asked_at})
    return routes


def _check(args: HaproxyFrontendArgs, to: int) -> str:
    """Where a region's health is asked for: its API, over TLS for the port that speaks it (maas-facts §8).

    Clients verify the certificate, this doesn't: a region without a valid one is better than no region.
    """
    return "check-ssl verify none" if to == args.tls_port else "port 5240"
