"""What a role may do around the files and units of its bundle; each hook must be harmless when nothing changed."""

from __future__ import annotations

from agent.machine import Machine, Work
from agent.records import Record

Outputs = dict[str, object]
"""What the program gets back as JSON."""


class Role:
    """One kind of component. `apply` calls the hooks from `prepare` to `outputs` in this order."""

    packages_first = True
    """False if files have to be in place before packages are installed."""
    cleans_up_without_record = False
    """True if `remove` has work to do even where nothing was committed."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def prepare(self) -> None:
        """Before anything changes: refuse what can't work."""

    def upgrade(self) -> None:
        """Nothing was refused: bring packages of an older MAAS to the wanted one."""

    def before_units(self) -> None:
        """The new files are in place, no unit has been told."""

    def health(self) -> None:
        """Units are active: wait until they do their work. Raises `StepError`."""

    def finish(self) -> None:
        """What needs the running service."""

    def outputs(self) -> Outputs:
        """What the program wants to know."""
        return {}

    def roll_back(self) -> None:
        """After a failure, before files and units are restored: undo what isn't a file. Never raises `StepError`."""

    def rolled_back(self) -> None:
        """After a failure, files and units are as before. Never raises `StepError`."""

    def remove(self) -> None:
        """Before files and units go: undo what isn't a file."""

    def removed(self) -> None:
        """After everything else has gone."""

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """What `maas-ha status` shows of the component, by names of its own; changes nothing, and holds no secret."""
        return {}

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """What, beside files and units, isn't as it was left; changes nothing."""
        return []
