"""HAProxy on a region's host, by which the region always reaches the PostgreSQL that leads (docs/adr/0011)."""

from __future__ import annotations

import pulumi

from agent.bundle import Bundle, Effect, File, HaproxySettings, secret_marker
from agent.cluster_settings import POSTGRES_PORT, REST_PORT
from components.args import Args
from components.haproxy_frontend import PACKAGES, STATE_DIR, STATS_SOCKET, UNIT
from components.host import Host
from components.render import render, shown_in_preview

ADDRESS, PORT = "127.0.0.1", 15432
"""Where a region finds it: on its own host, on a port that no PostgreSQL has there."""

CA_FILE = "/etc/haproxy/maas-ha-ca.crt"


class LeaderProxyArgs(Args):
    """A region's host, and who may lead."""

    host: Host
    members: tuple[tuple[str, str], ...]
    """Name and address of each host of the cluster; the name is in its certificate."""
    ca_certificate: pulumi.Output[str]


class LeaderProxy(pulumi.ComponentResource):
    """HAProxy, listening; sessions with a host that no longer leads are closed, for MAAS would go on reading there."""

    address: pulumi.Output[str]

    def __init__(self, name: str, args: LeaderProxyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        files = _files(args)
        super().__init__("maas:index:LeaderProxy", name, shown_in_preview(files), opts)
        applied = args.host.apply(
            f"{name}-apply",
            Bundle(
                host=args.host.name,
                component=name,
                settings=HaproxySettings(ports=(PORT,), stats_socket=STATS_SOCKET, to_leader=True),
                packages=PACKAGES,
                files=files,
                units=(UNIT,),
                state_dirs=(STATE_DIR,),
            ),
            parent=self,
            secrets={"ca_certificate": args.ca_certificate},
        )
        self.address = applied.then(ADDRESS)
        self.register_outputs({"address": self.address})


def _files(args: LeaderProxyArgs) -> tuple[File, ...]:
    content = render(
        "leader-haproxy.cfg",
        stats_socket=STATS_SOCKET,
        bind=f"{ADDRESS}:{PORT}",
        rest_port=REST_PORT,
        port=POSTGRES_PORT,
        authority=CA_FILE,
        members=[{"name": name, "address": address} for name, address in args.members],
    )
    # haproxy.service checks its file before each start and reload; a staged one has no authority beside it yet.
    return (
        File(CA_FILE, secret_marker("ca_certificate"), effect=Effect.RELOAD, units=(UNIT,)),
        File("/etc/haproxy/haproxy.cfg", content, effect=Effect.RELOAD, units=(UNIT,)),
    )
