"""ISC dhcpd's lease file: the state of its failover peers (maas-facts §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

STATE = re.compile(
    r'^failover peer "(?P<peer>[^"]*)" state \{\s*'
    r"my state (?P<mine>[a-z-]+) at [^;]*;\s*"
    r"partner state (?P<partner>[a-z-]+) at [^;]*;",
    re.MULTILINE,
)

NORMAL = ("normal", "normal")
SETTLED = {NORMAL, ("partner-down", "recover-wait"), ("recover-wait", "partner-down")}
"""States that need nothing more; a dhcpd that never met its partner waits MCLT, an hour, in recover-wait."""


@dataclass(frozen=True)
class FailoverState:
    """What this dhcpd thinks of itself and of its partner."""

    peer: str
    mine: str
    partner: str

    @property
    def is_normal(self) -> bool:
        """True when both serve."""
        return (self.mine, self.partner) == NORMAL

    @property
    def is_settled(self) -> bool:
        """True also when one serves everything and the other, new one joins by itself once MCLT has passed."""
        return (self.mine, self.partner) in SETTLED

    def __str__(self) -> str:
        return f"{self.mine}/{self.partner}"


def failover_states(path: Path) -> dict[str, FailoverState]:
    """The last state of each peer in a lease file; empty if there is none. dhcpd appends, so the last one counts."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return {}
    return {
        match["peer"]: FailoverState(match["peer"], match["mine"], match["partner"]) for match in STATE.finditer(text)
    }


def without_state(text: str, peer: str) -> str:
    """The text of a lease file without what it says of a peer."""
    return re.sub(rf'^failover peer "{re.escape(peer)}" state \{{[^}}]*\}}\n?', "", text, flags=re.MULTILINE)
