"""Undo what a component made on a host, and nothing else."""

from __future__ import annotations

import time

from agent.apply import sweep_originals
from agent.bundle import Bundle
from agent.commands import Commands
from agent.consequences import Consequence, of_removal
from agent.machine import Work
from agent.paths import Paths
from agent.records import Records
from agent.report import Report
from agent.roles import make_role
from agent.roles.base import Role
from agent.signals import ignored
from agent.teardown import clear_state, take_down
from agent.transaction import Transaction
from agent.trouble import explain


def remove(paths: Paths, report: Report, commands: Commands, bundle: Bundle) -> None:
    """Remove the component of `bundle`; one that isn't there any more is fine.

    Raises `StepError`, told with the unit's log, after units and files are as they were before.
    """
    records = Records(paths)
    record = records.load(bundle.component)
    started = time.time()
    transaction = Transaction(paths, commands, report, bundle.component, removing=True)
    work = Work.under(transaction, paths, report, commands, bundle, record)
    role = make_role(work)
    if record is None and not role.cleans_up_without_record:
        report.say(f"{bundle.component} isn't on this host")
        return
    try:
        report.step(f"remove {bundle.component}")
        role.remove()
        if record:
            take_down(work, record, transaction, stays_active=of_removal(bundle.role) is Consequence.NOTHING)
            records.forget(bundle.component)
    except BaseException as error:
        with ignored():
            told = explain(report, commands, paths, error, started)
            if record and transaction.is_committed(records):  # by now it can only be finished
                _finish(work, role, transaction, records)
            else:
                transaction.roll_back()
        if told is None:
            raise
        raise told from None
    _finish(work, role, transaction, records)


def _finish(work: Work, role: Role, transaction: Transaction, records: Records) -> None:
    """What comes after the commit."""
    transaction.close()
    sweep_originals(work.paths, records)
    if work.record:
        clear_state(work, work.record, records)
    role.removed()
