"""Bring one component of a host to what its bundle says, or leave everything as it was."""

from __future__ import annotations

import dataclasses
import time

from agent import before, disk
from agent.bundle import Bundle, Effect
from agent.changes import Change, effects, to_apply
from agent.commands import Commands
from agent.errors import StepError
from agent.machine import Work
from agent.paths import Paths
from agent.records import FileRecord, Record, Records, UnitBefore
from agent.report import Report
from agent.roles import make_role
from agent.roles.base import Outputs, Role
from agent.signals import ignored
from agent.transaction import Transaction
from agent.trouble import explain


def apply(paths: Paths, report: Report, commands: Commands, bundle: Bundle) -> Outputs:
    """Apply `bundle` as one transaction; the outputs of its role.

    Raises `StepError`, told with the unit's log, after everything is as it was before.
    """
    records = Records(paths)
    record = records.load(bundle.component)
    started = time.time()
    transaction = Transaction(paths, commands, report, bundle.component, removing=False)
    work = Work.under(transaction, paths, report, commands, bundle, record)
    role: Role | None = None
    try:
        report.step("prepare")
        role = make_role(work)
        outputs = _bring_about(work, role, transaction, records)
    except BaseException as error:
        with ignored():
            told = explain(report, commands, paths, error, started)
            if transaction.is_committed(records):  # by now it can only be finished
                transaction.close()
            else:
                _roll_back(work, role, transaction)
        if told is None:
            raise
        raise told from None
    transaction.close()
    sweep_originals(paths, records)
    return outputs


def _roll_back(work: Work, role: Role | None, transaction: Transaction) -> None:
    if role:
        role.roll_back()
    work.packages.undo()
    transaction.roll_back()
    if role:
        role.rolled_back()


def _bring_about(work: Work, role: Role, transaction: Transaction, records: Records) -> Outputs:
    bundle = work.bundle
    before.note(work.paths, bundle.state_dirs)
    role.prepare()
    role.upgrade()
    if role.packages_first:
        work.packages.install(bundle.packages)
    work.changes = to_apply(work.paths, bundle, work.record)
    transaction.swap(work.changes)
    if not role.packages_first:
        work.packages.install(bundle.packages)
    role.before_units()
    found = _bring_up_units(work)
    work.report.step("health")
    role.health()
    work.report.step("finish")
    role.finish()
    outputs = role.outputs()
    _commit(work, transaction, records, found)
    return outputs


def _bring_up_units(work: Work) -> dict[str, UnitBefore]:
    """Enable, start, restart or reload as the changed files ask; the state in which the units were found."""
    asked = effects(work.changes)
    names = list(dict.fromkeys((*work.bundle.units, *asked)))
    found = work.units.states(names)
    told = False
    for name in names:
        state, ours = found[name], name in work.bundle.units
        if ours and not state.loaded:
            raise StepError(f"this host has no unit {name}: is its package installed?")
        if ours and state.masked:
            raise StepError(f"the unit {name} is masked: run `systemctl unmask {name}` on the host")
        if ours and not state.enabled:
            work.units.change("enable", name, state)
            told = True
        verb = _verb(state.active, ours, asked.get(name, Effect.NOTHING))
        if verb:
            work.units.change(verb, name, state)
            told = True
    if told:
        for name, state in work.units.states(work.bundle.units).items():
            if not state.active:
                raise StepError(f"{name} isn't active after its start", unit=name)
    return {name: found[name].before for name in work.bundle.units}


def _verb(active: bool, ours: bool, effect: Effect) -> str:
    """The verb of systemctl for a unit, or "" if it stays as it is."""
    if not active:
        return "start" if ours else ""
    return "" if effect is Effect.NOTHING else effect.value


def _commit(work: Work, transaction: Transaction, records: Records, found: dict[str, UnitBefore]) -> None:
    """Save the record that names the transaction: from here on it can't be undone."""
    bundle, last = work.bundle, work.record
    changed = {change.path: change for change in work.changes}
    files = []
    for file in bundle.files:
        known = last.file(file.path) if last else None
        original = known.original if known else transaction.keep_original(file.path)
        files.append(_file_record(work.paths, bundle, file.path, changed.get(file.path), original))
    record = Record(
        transaction=last.transaction if last else transaction.identity,
        host=bundle.host,
        component=bundle.component,
        settings=bundle.settings,
        files=tuple(files),
        folders=tuple(dict.fromkeys((*(last.folders if last else ()), *transaction.folders))),
        units=bundle.units,
        units_before={**found, **transaction.units_before, **(last.units_before if last else {})},
        state_dirs=bundle.state_dirs,
        facts=work.facts,
    )
    if transaction.begun or record != last:
        records.save(dataclasses.replace(record, transaction=transaction.identity))


def _file_record(paths: Paths, bundle: Bundle, path: str, change: Change | None, original: str) -> FileRecord:
    file = next(file for file in bundle.files if file.path == path)
    content = change.content if change and change.content is not None else paths.at(path).read_bytes()
    return FileRecord(
        path=path,
        sha256=disk.sha256(content),
        owner=file.owner,
        group=file.group,
        mode=file.mode,
        effect=file.effect,
        units=file.units,
        original=original,
        felt=file.felt,
    )


def sweep_originals(paths: Paths, records: Records) -> None:
    """Delete originals that no record names any more."""
    if not paths.originals.exists():
        return
    named = {file.original for record in records.all() for file in record.files}
    for copy in paths.originals.iterdir():
        if copy.name not in named:
            copy.unlink()
