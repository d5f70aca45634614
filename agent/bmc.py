"""BMC networks: a power action goes through a rack that MAAS sees in the BMC's subnet (maas-facts §12.8, §4)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Sequence

from agent.errors import StepError
from agent.maas_api import MaasApi, NobodyAnswersError, Rack
from agent.machine import Machine, Work
from agent.mistakes import Mistake, decide

SEEN_DEADLINE = 120.0
"""Seconds until MAAS lists a new address of a running rack, which reports its interfaces from time to time."""


def check_addresses(work: Work, subnets: Sequence[str]) -> None:
    """Refuse a host without an address in one of `subnets` (CIDRs), before anything is touched. Raises `StepError`."""
    if subnets:
        work.report.step("look for this host's addresses in the BMC networks")
        decide(work.report, _mistakes(own_addresses(work), subnets))


def wait_until_seen(work: Work, subnets: Sequence[str], api: MaasApi, system_id: str) -> None:
    """Wait until MAAS lists an address of the rack in each of `subnets` (CIDRs). Raises `StepError`."""
    if not subnets:
        return

    def missing() -> str:
        try:
            rack = next((rack for rack in api.racks() if rack.system_id == system_id), None)
        except NobodyAnswersError as error:
            return error.cause
        return unseen(rack, subnets) if rack else f"MAAS doesn't list the rack {system_id}"

    work.wait("a rack that MAAS sees in its BMC networks", SEEN_DEADLINE, missing)


def unseen(rack: Rack, subnets: Iterable[str]) -> str:
    """In which of `subnets` (CIDRs) MAAS doesn't see the rack, what it sees, and the remedy; "" for none."""
    lacking = without(rack.addresses, subnets)
    if not lacking:
        return ""
    return (
        f"of {rack.hostname} MAAS lists {', '.join(rack.addresses) or 'no address'}, none in {', '.join(lacking)}:"
        " it would send no power action for BMCs there through this rack (maas-facts §12.8);"
        " see that the interface is up and among the rack's interfaces in MAAS, then restart rackd"
    )


def without(addresses: Iterable[str], subnets: Iterable[str]) -> list[str]:
    """Those of `subnets` (CIDRs) in which none of `addresses` is."""
    known = [ipaddress.ip_address(address) for address in addresses]
    return [subnet for subnet in subnets if not any(address in ipaddress.ip_network(subnet) for address in known)]


def own_addresses(machine: Machine) -> list[str]:
    """This host's addresses, without those of loopback. Raises `StepError` if `ip` can't tell."""
    said = machine.commands.run("ip", "-json", "address", "show").stdout
    try:
        links = json.loads(said or "[]")
        return [
            str(entry["local"])
            for link in links
            if link and "LOOPBACK" not in link["flags"]
            for entry in link["addr_info"]
            if "local" in entry
        ]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise StepError("`ip -json address show` says nothing that can be read: is iproute2 older than 4.18?") from None


def _mistakes(addresses: list[str], subnets: Sequence[str]) -> Iterator[Mistake]:
    for subnet in without(addresses, subnets):
        yield Mistake(
            f"this host has no address in the BMC network {subnet}; it has {', '.join(addresses) or 'none'}",
            "MAAS sends power actions through racks that it sees in the BMC's subnet (maas-facts §12.8)",
            "give one of its interfaces an address there, or take the host out of that entry of `bmc`",
        )
