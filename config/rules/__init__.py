"""What several values of a stack file mean together: one function a rule, every finding in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from config.finding import Finding
from config.rules import balancers, bmc, database, dhcp, hosts, network, software
from config.topology import Topology

Rule = Callable[[Topology], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    hosts.hosts_are_known,
    hosts.hosts_are_used,
    hosts.roles_fit_together,
    hosts.racks_are_named_once,
    hosts.addresses_differ,
    balancers.balancers_are_named_once,
    balancers.balancers_are_in_the_network,
    balancers.virtual_address_is_free,
    network.addresses_can_be_reached,
    network.regions_and_database_speak_one_family,
    network.everyone_reaches_the_regions,
    network.ssh_has_a_free_port,
    database.cluster_has_a_quorum,
    software.postgres_is_supported,
    software.packaging_has_its_own_source,
    software.channel_is_of_the_version,
    software.tls_has_a_free_port,
    software.tls_is_renewed_once,
    dhcp.dhcp_is_by_two_hosts,
    dhcp.dhcp_members_are_in_the_subnet,
    dhcp.dhcp_ranges_fit,
    dhcp.dhcp_subnets_differ,
    dhcp.isc_hosts_serve_one_pair,
    dhcp.isc_options_are_plausible,
    bmc.bmc_is_reached_by_two_racks,
    bmc.bmc_racks_are_in_the_subnet,
    bmc.bmc_subnets_differ,
)


def check(topology: Topology) -> list[Finding]:
    """All findings of all rules."""
    return [finding for rule in RULES for finding in rule(topology)]


ADVICE: tuple[Rule, ...] = (software.workers_are_as_advised, balancers.a_shared_address_has_two_hosts)


def advice(topology: Topology) -> list[Finding]:
    """What works, and that MAAS's documentation advises against."""
    return [finding for rule in ADVICE for finding in rule(topology)]
