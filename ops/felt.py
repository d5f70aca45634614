"""What a transaction is felt as: the agent's own table, asked with what the engine's preview shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.bundle import Effect
from agent.consequences import Consequence, Pair, of_dhcp, of_effects, of_rackd_restart, of_removal, strongest
from agent.packaging import DEB, dhcpd_unit
from ops.preview import UPGRADE, VERSION, Inputs, Preview, Transaction, mapping

ROLES = {
    "Host": "host",
    "PostgresPrimary": "postgres",
    "HaproxyFrontend": "haproxy",
    "RegionController": "region",
    "RackController": "rack",
    "DhcpFailoverPair": "dhcp",
    "IscDhcpPair": "isc_dhcp",
}
"""Component → the agent's role."""
REGIOND, RACKD = "maas-regiond.service", "maas-rackd.service"
"""Units of a controller from packages."""


@dataclass(frozen=True)
class Felt:
    """What a host's units and those who use them feel of one transaction."""

    effects: tuple[str, ...]
    """Each once: `restart maas-regiond.service`."""
    consequence: Consequence


def feel(preview: Preview, transaction: Transaction, of_files: Iterable[str]) -> Felt:
    """What `transaction` is felt as, whose changed files ask for `of_files`."""
    kind = transaction.component.kind
    if kind == "DhcpFailoverPair":
        return _of_dhcp(transaction)
    if kind == UPGRADE:
        return _of_step(preview, transaction)
    role = ROLES.get(kind, "")
    if transaction.operation == "create":
        return Felt((), Consequence.NOTHING)
    if transaction.operation != "update":
        # a host's own transaction has no unit that could stop
        return Felt((), Consequence.NOTHING if kind == "Host" else of_removal(role))
    effects = tuple(dict.fromkeys(effect for told in of_files for effect in told.split(", ") if effect != "nothing"))
    verbs = {Effect(effect.partition(" ")[0]) for effect in effects}
    consequence = of_effects(role, verbs)
    before, after = map(_pair, transaction.shown)
    if kind == "IscDhcpPair" and before and after and before.racks != after.racks:
        return Felt(effects, Consequence.FAILOVER)
    if kind == "PostgresCluster" and _rolls(transaction):
        return Felt(("restart PostgreSQL",), Consequence.FAILOVER)
    if kind == "RegionController" and (version := _upgraded(transaction)):
        return Felt(*version)
    if kind == "RackController" and Effect.RESTART in verbs:
        verb, along = of_rackd_restart(_served(preview), transaction.host)
        return Felt((*effects, *_named(verb, transaction)), strongest((consequence, along)))
    return Felt(effects, consequence)


def _of_step(preview: Preview, transaction: Transaction) -> Felt:
    """A rack is upgraded, which stops its dhcpd too; a region that isn't the first is held."""
    roles = str(mapping(transaction.shown[1].get("settings")).get("roles", "")).split()
    if "region" in roles:
        return Felt((f"stop {REGIOND}",), Consequence.DRAIN_FIRST)
    verb, along = of_rackd_restart(_served(preview), transaction.host)
    return Felt((f"restart {RACKD}", *_named(verb, transaction)), strongest((Consequence.RESTART, along)))


def has_files(transaction: Transaction) -> bool:
    """Whether the files that the component shows are this command's, whose change a unit feels."""
    return transaction.component.kind != "PostgresCluster" or transaction.command.name.endswith("-patroni-apply")


def _rolls(transaction: Transaction) -> bool:
    """Whether it is the command that has PostgreSQL restarted on one host after the other, the leader's last."""
    before, after = (inputs.get("settings") for inputs in transaction.shown)
    return transaction.command.name == f"{transaction.component.name}-apply" and before != after


def _upgraded(transaction: Transaction) -> tuple[tuple[str, ...], Consequence] | None:
    """What regiond feels of another version from packages: on the first region MAAS is away, the others were held."""
    before, after = (mapping(inputs.get("settings")) for inputs in transaction.shown)
    if before.get(VERSION) == after.get(VERSION) or after.get("packaging") != DEB.name:
        return None
    if after.get("leader"):
        return (f"restart {REGIOND}",), Consequence.AWAY
    return (f"start {REGIOND}",), Consequence.NOTHING


def _of_dhcp(transaction: Transaction) -> Felt:
    before, after = map(_pair, transaction.shown)
    verb, consequence = of_dhcp(before, after, transaction.host)
    return Felt(_named(verb, transaction), consequence)


def _named(verb: str, transaction: Transaction) -> tuple[str, ...]:
    old, new = transaction.shown
    packaging = mapping((new or old).get("settings")).get("packaging", DEB.name)
    return (f"{verb} {dhcpd_unit(str(packaging))}",) if verb else ()


def _served(preview: Preview) -> Iterator[Pair]:
    """Every pair of MAAS's that is there before and after."""
    for step in preview.of_kind("DhcpFailoverPair"):
        pairs = [_pair(inputs) for inputs in step.inputs]
        yield from (pair for pair in pairs if pair and all(pairs))


def _pair(inputs: Inputs) -> Pair | None:
    """The pair that a component's inputs name; None where there is none or DHCP is off."""
    if "primary" not in inputs or inputs.get("enabled") == "false":
        return None
    return Pair(str(inputs["primary"]), str(inputs["secondary"]), str(inputs.get("range", "")))
