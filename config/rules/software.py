"""What MAAS needs: its packaging, its ports, its PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from config.finding import Finding
from config.load_balancer import LOCAL_PORT
from config.ports import VIEW_PORT
from config.rules.network import region_ports
from config.topology import ExternalDatabase, Topology
from config.versions import MAAS_STARTS_ON, VERSIONS

ADVISED_WORKERS = 8
"""Most that MAAS's documentation advises for one region (maas-facts §2)."""


def postgres_is_supported(topology: Topology) -> Iterator[Finding]:
    """MAAS and PostgreSQL go together, or the operator knows that they only happen to (maas-facts §0)."""
    database, wanted = topology.database, VERSIONS[topology.maas.version].min_postgres
    if isinstance(database, ExternalDatabase) or database.accept_unsupported or database.version >= wanted:
        return
    problem = f"MAAS {topology.maas.version} is documented for PostgreSQL {wanted} and newer, not {database.version}"
    remedy = f"use {wanted} or newer; MAAS itself starts on {MAAS_STARTS_ON} and newer: to run it without its"
    yield Finding("database.version", problem, f"{remedy} vendor's support, write accept_unsupported: true beside it")


def packaging_has_its_own_source(topology: Topology) -> Iterator[Finding]:
    """Snap and deb are never mixed, and neither reads the other's source (maas-facts §9)."""
    maas = topology.maas
    if maas.packaging == "snap" and maas.repository is not None:
        yield Finding("maas.repository", "a snap comes from no apt repository", "take it out, or write packaging: deb")
    suites = maas.repository.suites.split() if maas.repository else []
    if len({suite.endswith("/") for suite in suites}) > 1:
        problem = "some suites are folders, which end in / and have no components, and some aren't"
        yield Finding("maas.repository.suites", problem, "write one kind here, the other into the hosts' own sources")
    if maas.packaging == "deb" and maas.channel is not None:
        yield Finding("maas.channel", "packages come from no snap channel", "take it out, or write packaging: snap")


def channel_is_of_the_version(topology: Topology) -> Iterator[Finding]:
    """All controllers run the version that the stack file names (maas-facts §9)."""
    maas = topology.maas
    if maas.packaging == "snap" and maas.channel is not None and maas.channel.partition("/")[0] != maas.version:
        problem = f"is no channel of MAAS {maas.version}"
        yield Finding("maas.channel", problem, f"name one such as {maas.version}/stable, or change maas.version")


def tls_has_a_free_port(topology: Topology) -> Iterator[Finding]:
    """MAAS's TLS and a region's other ports are different ones (maas-facts §8)."""
    maas, facts = topology.maas, VERSIONS[topology.maas.version]
    if maas.tls and any(maas.tls.port in ports for ports in region_ports(topology)):
        yield Finding("maas.tls.port", f"{maas.tls.port} is another port of a region", "use 5443")
    elif maas.tls and maas.tls.port in (LOCAL_PORT, VIEW_PORT, *(port for port, _ in facts.balanced_ports)):
        yield Finding("maas.tls.port", f"{maas.tls.port} is another port of the load balancer's host", "use 5443")


def workers_are_as_advised(topology: Topology) -> Iterator[Finding]:
    """Advice: MAAS's documentation stops at 8 workers (maas-facts §2); a host's CPUs are only known to its agent."""
    for name, region in topology.regions.items():
        if region.workers > ADVISED_WORKERS:
            problem = f"{region.workers} workers are more than the {ADVISED_WORKERS} that MAAS's documentation advises"
            yield Finding(f"regions.{name}.workers", problem, "add a region rather than workers; one a CPU is enough")


def tls_is_renewed_once(topology: Topology) -> Iterator[Finding]:
    """A new certificate isn't due at once, or every update would bring another one."""
    tls = topology.maas.tls
    if tls and tls.renew_days >= tls.valid_days:
        problem = f"{tls.renew_days} days before its end a certificate of {tls.valid_days} days is not yet made"
        yield Finding("maas.tls.renew_days", problem, "choose less than valid_days")
