"""One member of etcd, in which Patroni's hosts agree on who leads; its data is never removed."""

from __future__ import annotations

from agent.cluster_settings import ETCD_FOLDER, ETCD_PEER_PORT, ETCD_UNIT, EtcdSettings
from agent.errors import StepError
from agent.etcd import Etcd as Members
from agent.machine import Machine, Work
from agent.ports import reachable
from agent.records import Record
from agent.roles.base import Role
from agent.takeover import former_of

START_DEADLINE = 120.0
"""Seconds until a member works with the others, its log read."""


class Etcd(Role):
    """A member: done when it works with a majority, or waits for one that isn't there yet."""

    def __init__(self, work: Work, settings: EtcdSettings) -> None:
        super().__init__(work)
        self.settings = settings

    def prepare(self) -> None:
        """Refuse another's etcd, and other members than those that the running one knows."""
        record = self.work.record
        self._refuse_to_be_second()
        if record is None and self.work.units.state(ETCD_UNIT).active:
            raise StepError(
                f"{ETCD_UNIT} runs on this host for something else\n"
                "Name a host without an etcd of its own in database.cluster, or stop and disable that one"
            )
        known = record.settings.members if record and isinstance(record.settings, EtcdSettings) else None
        if known is not None and known != self.settings.members:
            raise StepError(
                f"etcd here has the members {_told(known)}; the stack file wants {_told(self.settings.members)}\n"
                "The hosts of a running cluster and their addresses stay: put them back into database.cluster"
            )

    def _refuse_to_be_second(self) -> None:
        """The rows of the stack's one PostgreSQL would be missing in a cluster that another host begins."""
        host, former = self.work.bundle.host, former_of(self.work.paths)
        if former and self.settings.founder != host:
            raise StepError(
                f"this host has the stack's one PostgreSQL ({former.component}), whose rows a cluster that begins on"
                f" {self.settings.founder} would not have; nothing was touched\n"
                f"Write {host} first in database.cluster: the others copy it"
            )

    def health(self) -> None:
        """It works with a majority, or there is none yet and its port is open for them."""
        self.work.wait("etcd", START_DEADLINE, self._missing, unit=ETCD_UNIT)

    def _missing(self) -> str:
        own = self.settings.members[self.work.bundle.host]
        ailment = Members(self.work.paths, ETCD_FOLDER, [own]).ailment()
        if not ailment:
            return ""
        there = [address for address in self.settings.members.values() if reachable(address, ETCD_PEER_PORT)]
        if len(there) > len(self.settings.members) // 2:
            return ailment
        return "" if own in there else f"port {ETCD_PEER_PORT} isn't open"

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """Why it doesn't work with the others, "" if it does."""
        return {"etcd": "; ".join(cls.differences(machine, record))}

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A member that doesn't work with the others."""
        settings = record.settings
        if not isinstance(settings, EtcdSettings):
            return []
        ailment = Members(machine.paths, ETCD_FOLDER, [settings.members[record.host]]).ailment()
        return [f"etcd: {ailment}"] if ailment else []


def _told(members: dict[str, str]) -> str:
    return ", ".join(f"{name} ({address})" for name, address in members.items())
