"""Take a component's files and units away, and bring back what was there before it."""

from __future__ import annotations

from contextlib import suppress

from agent import disk
from agent.bundle import Effect
from agent.changes import effects, to_remove
from agent.machine import Machine, load_before
from agent.records import Record, Records
from agent.transaction import Transaction


def take_down(machine: Machine, record: Record, transaction: Transaction, *, stays_active: bool) -> None:
    """Stop units that didn't run before, bring back the files, disable what wasn't enabled."""
    changes = to_remove(machine.paths, record)
    asked = effects(changes)
    found = machine.units.states((*record.units, *asked))
    stop = [
        n for n in record.units if n in record.units_before and not record.units_before[n].active and not stays_active
    ]
    for name in reversed(stop):
        if found[name].active:
            machine.units.change("stop", name, found[name])
    transaction.swap(changes)
    for name, effect in asked.items():
        if name not in stop and found[name].active and effect is not Effect.NOTHING:
            machine.units.change(effect.value, name, found[name])
    for name in record.units:
        before = record.units_before.get(name)
        if before and not before.enabled and found[name].loaded and found[name].enabled:
            machine.units.change("disable", name, found[name])
    for folder in reversed(record.folders):
        with suppress(OSError):  # something else lives in it
            machine.paths.at(folder).rmdir()


def clear_state(machine: Machine, record: Record, records: Records) -> None:
    """Empty the state folders that came with the packages and that no other component here uses."""
    before = load_before(machine.paths)["folders"]
    used = {path for other in records.all() if other.role != "host" for path in other.state_dirs}
    for path in record.state_dirs:
        if (
            record.role != "host"
            and path not in used
            and not before.get(path, True)
            and machine.paths.at(path).is_dir()
        ):
            for child in machine.paths.at(path).iterdir():
                disk.remove_tree(child)
