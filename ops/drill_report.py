"""What drills found, as `maas-ha drill --json` prints it and `--report` draws it.

Times named `at` are seconds from the drill's fault; those before it are negative.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class Second(BaseModel):
    """What began in one second."""

    at: int
    tried: int
    """Reads and writes."""
    failed: int
    slowest: float
    """Seconds that the slowest of them took, also if it failed."""
    writes: int
    """Of those tried."""
    writes_failed: int


class Mark(BaseModel):
    """Something that happened during a drill: its fault, another leader, the fault undone."""

    at: float
    text: str


class Limit(BaseModel):
    """One of the limits that a drill is held to."""

    what: str
    """E.g. `seconds until writes are acknowledged again`."""
    most: float
    measured: float | None
    """None where it never came."""
    holds: bool
    told: str
    """The sentence to print where it is exceeded; "" where it holds."""


class Requests(BaseModel):
    """Reads or writes."""

    tried: int
    failed: int
    """All of them, those in flight at the fault too."""
    in_flight: int
    """Of the failed ones, those that had begun before the fault."""
    slowest: float
    """Seconds that the slowest of them took, also if it failed."""
    again_after: float | None
    """Seconds from the fault to the first one after the last that failed; 0 if none failed that began after the
    fault, null if none got through any more."""


class Exchanges(BaseModel):
    """Questions that began in one second, and those that nobody answered."""

    at: int
    tried: int
    failed: int


class Dhcp(BaseModel):
    """Real DHCP clients: each gets a lease, and renews it or asks anew the whole time."""

    host: str
    """On which they ran."""
    clients: int
    tried: int
    failed: int
    """Exchanges that no server answered in time."""
    slowest: float
    lost: list[str]
    """`MAC ADDRESS` of leases that a server took away, or gave to nobody for too long."""
    doubled: list[str]
    """Addresses that two clients had at once."""
    timeline: list[Exchanges]


class Power(BaseModel):
    """Queries of a machine's power through MAAS's API, which a rack asks the machine's BMC."""

    machine: str
    tried: int
    failed: int
    slowest: float
    again_after: float | None
    """As of `Requests`."""
    reasons: dict[str, int]
    timeline: list[Exchanges]


class Minority(BaseModel):
    """Writes that were tried on the cut-off side."""

    tried: dict[str, int]
    """On each of its hosts."""
    accepted: dict[str, int]
    """Of those, the acknowledged ones."""


class RackSeen(BaseModel):
    """A rack after the drill."""

    rack: str
    regions: dict[str, str]
    """Region → `connected/listed` event loops."""


class Drill(BaseModel):
    """One fault."""

    kind: str
    """`region`, `balancer`, `database`, `rack` or `partition`."""
    fault: str
    """`kill`, `hang`, `stop`, `off` or `cut`."""
    hosts: list[str]
    """Those that had it."""
    begun: datetime
    """Of the fault."""
    reads: Requests
    writes: Requests
    reasons: dict[str, int]
    """Why requests failed, and how many."""
    acknowledged: int
    """Writes that MAAS answered 200."""
    lost: list[str]
    """Of those, what isn't there any more at the end."""
    marks: list[Mark]
    timeline: list[Second]
    dhcp: Dhcp | None = None
    power: Power | None = None
    minority: Minority | None = None
    racks: list[RackSeen] = []
    limits: list[Limit]

    @property
    def exceeded(self) -> list[str]:
        """What to say of each limit that was exceeded; empty where all hold."""
        return [limit.told for limit in self.limits if not limit.holds]


class Skipped(BaseModel):
    """A drill that can't be made on this stack."""

    kind: str
    why: str


class Report(BaseModel):
    """All drills of one run."""

    stack: str
    url: str
    """Through which the load went."""
    drills: list[Drill]
    skipped: list[Skipped]

    @property
    def exceeded(self) -> list[str]:
        """As of `Drill.exceeded`, each with its drill's name."""
        return [f"{drill.kind} {drill.fault}: {text}" for drill in self.drills for text in drill.exceeded]
