"""What a change is felt as: the one table that `maas-ha plan` announces by and the agent acts by."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from agent.bundle import Effect


class Consequence(str, enum.Enum):
    """What those who use a service feel, weakest first."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"
    STOP = "stop"
    DRAIN_FIRST = "drain first"
    """No request is sent there any more when it stops."""
    FAILOVER = "failover"
    """Another host serves instead."""
    AWAY = "MAAS away"
    """Nobody serves meanwhile: the schema is migrated, and no region runs on one that is half so."""


MANNERS = (Consequence.DRAIN_FIRST, Consequence.FAILOVER, Consequence.AWAY)
"""Those that say how something is done, beside what."""

OF_EFFECT: dict[tuple[str, Effect], Consequence] = {
    ("region", Effect.RESTART): Consequence.DRAIN_FIRST,
}
"""(Role, what its files ask of a unit) → how that is felt, where it isn't felt as what it is."""

OF_REMOVAL: dict[str, Consequence] = {
    "postgres": Consequence.NOTHING,  # it goes on serving the data that it keeps
    "region": Consequence.DRAIN_FIRST,  # the balancer loses its line before it stops
    "upgrade": Consequence.NOTHING,
}
"""Role → how the removal of a component is felt, where nothing takes its place: else it stops."""


def of_effects(role: str, effects: Iterable[Effect]) -> Consequence:
    """The strongest of what a component's changed files are felt as."""
    return strongest(OF_EFFECT.get((role, effect), Consequence(effect.value)) for effect in effects)


def of_removal(role: str) -> Consequence:
    """What the removal of a component is felt as."""
    return OF_REMOVAL.get(role, Consequence.STOP)


def strongest(found: Iterable[Consequence]) -> Consequence:
    """The strongest; nothing where there is none."""
    return max(found, key=list(Consequence).index, default=Consequence.NOTHING)


@dataclass(frozen=True)
class Pair:
    """Who serves a VLAN, and from which range."""

    primary: str
    secondary: str
    range: str = ""

    @property
    def racks(self) -> tuple[str, str]:
        """Both, the primary first."""
        return self.primary, self.secondary


def of_dhcp(before: Pair | None, after: Pair | None, rack: str) -> tuple[str, Consequence]:
    """What MAAS does to the dhcpd of `rack` (`start`, `stop`, `restart` or ""), and how it is felt; None: DHCP is off.

    It renders dhcpd.conf anew where range or racks change, and restarts dhcpd for it (maas-facts §6, §0a row 6).
    """
    served, serves = (pair is not None and rack in pair.racks for pair in (before, after))
    if before is None or after is None:
        verb = {(False, True): "start", (True, False): "stop"}.get((served, serves), "")
        return verb, Consequence.STOP if verb == "stop" else Consequence.NOTHING
    if before.racks != after.racks:
        verb = {(False, True): "start", (True, False): "stop", (True, True): "restart"}.get((served, serves), "")
        return verb, Consequence.FAILOVER if verb else Consequence.NOTHING
    return ("restart", Consequence.RESTART) if serves and before.range != after.range else ("", Consequence.NOTHING)


def of_rackd_restart(pairs: Iterable[Pair], rack: str) -> tuple[str, Consequence]:
    """The same for a restart of rackd, each stop of which stops dhcpd (maas-facts §0a row 4): the partner serves."""
    serves = any(rack in pair.racks for pair in pairs)
    return ("restart", Consequence.FAILOVER) if serves else ("", Consequence.NOTHING)
