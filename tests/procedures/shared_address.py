"""Two load balancers of the dev stack that share an address, and what is asked of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

from tests.engine.deployment import Cluster, Deployment
from tests.engine.hosts import unit_starts
from tests.engine.poller import Poller
from tests.lab.standin.daemons.polling import eventually

HOSTS = {"db1": 11, "region1": 21, "lb1": 41, "lb2": 42}
BALANCERS = ("lb1", "lb2")
VIRTUAL = 40
CLIENTS = 4
"""Each asks 20 times a second at most."""


def cluster_of(*balancers: str) -> Callable[[Cluster], None]:
    """One region, one rack, and these balancers; the other's host isn't the stack's."""

    def change(cluster: Cluster) -> None:
        hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
        network = hosts["db1"]["address"].rpartition(".")[0]
        for name in BALANCERS:
            hosts.pop(name, None)
        hosts |= {name: {"address": f"{network}.{HOSTS[name]}"} for name in balancers}
        cluster["regions"] = {"region1": {"workers": 1}}
        cluster["racks"], cluster["dhcp"] = ["db1"], []
        cluster["load_balancer"] = (
            {"hosts": list(balancers), "virtual_address": f"{network}.{VIRTUAL}/24"}
            if len(balancers) > 1
            else {"host": balancers[0]}
        )

    return change


@dataclasses.dataclass(frozen=True)
class Balanced:
    """A deployment that had one balancer, and how the host of the second one was before."""

    made: Deployment
    pristine: set[str]
    packages: set[str]

    @property
    def network(self) -> str:
        return str(self.made.lab.host("db1").address).rpartition(".")[0]

    @property
    def virtual(self) -> str:
        return f"{self.network}.{VIRTUAL}"

    @property
    def url(self) -> str:
        return f"http://{self.virtual}/MAAS"

    def run(self, host: str, script: str, *, check: bool = True) -> str:
        return self.made.lab.exec(host, "sh", "-c", script, check=check).stdout

    def holders(self) -> list[str]:
        """The hosts that run and have the address."""
        running = [each.name for each in self.made.lab.status() if each.name in BALANCERS and each.leader_pid]
        show = "ip -json -4 address show"
        return [name for name in running if f'"{self.virtual}"' in self.run(name, show)]

    def holder(self) -> str:
        """The host that has the address, once it is one alone."""
        [name] = eventually(lambda: found if len(found := self.holders()) == 1 else [], "one holder")
        return name

    def other(self) -> str:
        """The host that doesn't have it."""
        return next(name for name in BALANCERS if name != self.holder())

    def killed(self, host: str, program: str) -> None:
        """Kill it, and wait until systemd has it back."""
        unit = f"{host} {program}.service"
        started = unit_starts(self.made.lab)[unit]
        self.run(host, f"systemctl kill --signal=KILL {program}")
        eventually(lambda: unit_starts(self.made.lab).get(unit, started) != started, f"{program} is back")

    def takings(self, host: str) -> int:
        """How often keepalived took the address since the host was booted."""
        return self.run(host, "journalctl -q -b -u keepalived --output=cat").count("Entering MASTER STATE")

    @contextmanager
    def loses_at_most(self, failures: int) -> Iterator[list[Poller]]:
        """A steady stream of requests through the address, of which few may fail, and none after the block's end."""
        with ExitStack() as clients:
            pollers = [clients.enter_context(Poller(self.url)) for _ in range(CLIENTS)]
            self.ask_more(pollers)
            yield pollers
            self.ask_more(pollers)
        failed = [reason for poller in pollers for reason in poller.failed]
        assert len(failed) <= failures, (sum(poller.tried for poller in pollers), failed[:5], failed[-5:])

    def ask_more(self, pollers: list[Poller]) -> None:
        """Wait until each client has asked some more times."""
        before = [poller.tried for poller in pollers]
        asked = [(poller, tried + 5) for poller, tried in zip(pollers, before, strict=True)]
        eventually(lambda: all(poller.tried > enough for poller, enough in asked), "more requests")

    def serves(self) -> None:
        """The address answers ten times in a row."""
        poller = Poller(self.url)
        with poller:
            eventually(lambda: poller.tried > 10 and not poller.failed[-1:], "requests")
