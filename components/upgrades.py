"""What comes before the first region in an upgrade: racks, then the holds of the other regions (docs/adr/0012)."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from agent.bundle import Bundle
from agent.packaging import DEB
from agent.upgrade_settings import UpgradeSettings
from components.host import Host
from components.postgres_primary import Database
from components.virtual_address import Balancer
from config.topology import DhcpPair, Topology


class Upgrades:
    """One command for each rack and each region but the first; each does nothing where its host has the version.

    They are of no component: a preview shows the version among the host's settings.
    """

    held: tuple[pulumi.Resource, ...]
    """What the first region waits for."""

    def __init__(self, topology: Topology, hosts: Mapping[str, Host], database: Database, balancer: Balancer) -> None:
        self._topology = topology
        self._hosts = hosts
        self._below = pulumi.Output.all(database.host, balancer.url)
        self.held = ()
        if topology.maas.packaging == DEB.name:
            self.held = self._regions(tuple(self._racks().values()))

    def _racks(self) -> dict[str, pulumi.Resource]:
        """All racks side by side, but never both of a DHCP pair at once."""
        pairs = [(pair.primary, pair.secondary) for pair in self._topology.dhcp if isinstance(pair, DhcpPair)]
        done: dict[str, pulumi.Resource] = {}
        for name in self._topology.racks:
            partners = {member for pair in pairs if name in pair for member in pair}
            done[name] = self._step(name, "rack", tuple(done[partner] for partner in partners & done.keys()))
        return done

    def _regions(self, racks: tuple[pulumi.Resource, ...]) -> tuple[pulumi.Resource, ...]:
        """One after the other, so that no two leave a rack without a region; the first is left to serve."""
        before = racks
        for name in list(self._topology.regions)[1:]:
            before = (self._step(name, "region", before),)
        return before

    def _step(self, host: str, controller: str, after: tuple[pulumi.Resource, ...]) -> pulumi.Resource:
        bundle = Bundle(
            host=host,
            component=f"{host}-upgrade",
            settings=UpgradeSettings(controller, self._topology.maas.version),
        )
        # The balancers first: from 3.5 on a rack reaches Temporal through them (maas-facts §4.8). The database, so that
        # its restart, if there is one, is over.
        sent = self._below.apply(lambda _: bundle)
        return (
            self._hosts[host].apply(f"{host}-upgrade", sent, parent=self._hosts[host], secrets={}, after=after).command
        )
