"""Take a component's files and units away, and bring back what was there before it."""

from __future__ import annotations

from agent import before, disk
from agent.bundle import Effect
from agent.changes import effects, to_remove
from agent.machine import Machine
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
    transaction.empty(record.folders)
    transaction.swap(changes)
    for name, effect in asked.items():
        if name not in stop and found[name].active and effect is not Effect.NOTHING:
            machine.units.change(effect.value, name, found[name])
    for name in record.units:
        was = record.units_before.get(name)
        if was and not was.enabled and found[name].loaded and found[name].enabled:
            machine.units.change("disable", name, found[name])


def clear_state(machine: Machine, record: Record, records: Records) -> None:
    """Delete what the component left in its state folders: identity, certificates, leases.

    Folders that were there before the packages, that another component uses, and files that belong to packages stay.
    """
    known = before.load(machine.paths)
    used = {path for other in records.all() for path in other.state_dirs}
    restored = {file.path for file in record.files if file.original}
    for path in record.state_dirs:
        if known is None or known.had(path) or path in used or not machine.paths.at(path).is_dir():
            continue
        listed = machine.commands.run("dpkg-query", "--search", f"{path}*", check=False).stdout.splitlines()
        _clear(machine, path, restored | {line.partition(": ")[2] for line in listed})


def _clear(machine: Machine, folder: str, stay: set[str]) -> None:
    for child in machine.paths.at(folder).iterdir():
        name = f"{folder}/{child.name}"
        if any(kept == name or kept.startswith(f"{name}/") for kept in stay):
            if child.is_dir() and not child.is_symlink():
                _clear(machine, name, stay)
        else:
            disk.remove_tree(child)
