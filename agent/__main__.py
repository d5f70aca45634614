"""`maas-ha-agent apply | remove | verify | status | drill … | dhcp-clients … | guard …`: what runs on a host, as root.

`apply` and `remove` read a bundle on standard input. Progress goes to standard error, one line of JSON to standard
output.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

from agent.apply import apply, sweep_originals
from agent.bundle import Bundle
from agent.commands import Commands
from agent.disk import STAGED_SUFFIX, remove_tree
from agent.lock import locked
from agent.machine import Machine
from agent.masking import Masker
from agent.packages import Packages
from agent.packaging import PACKAGINGS
from agent.paths import Paths
from agent.records import Records
from agent.report import STDOUT, Report, write
from agent.signals import raise_on_signals
from agent.transaction import recover
from agent.trouble import ToldError, explain
from agent.typed import BundleError
from agent.units import Units

USAGE = (
    "usage: maas-ha-agent apply|remove (the bundle on standard input) | verify [--json] | status"
    " | drill … | dhcp-clients … | guard ADDRESS"
)


def main(arguments: list[str], root: Path = Path("/")) -> int:
    """Run one command; its exit code."""
    raise_on_signals()
    paths = Paths(root)
    if arguments in (["apply"], ["remove"]):
        return _with_bundle(arguments[0], paths)
    if arguments in (["verify"], ["verify", "--json"], ["status"]):
        return _without_bundle(arguments, paths)
    if arguments[:1] == ["drill"]:
        return _drill(arguments[1:], paths)
    if arguments[:1] == ["dhcp-clients"]:
        return _dhcp_clients(arguments, paths)
    if arguments[:1] == ["guard"] and len(arguments) == 2:
        from agent.patroni_guard import guard  # runs by itself, for ever

        guard(paths, Report("maas-ha-agent", Masker()), arguments[1])
    return _wrong(USAGE)


def _wrong(usage: str) -> int:
    Report("maas-ha-agent", Masker()).lines([usage])
    return 2


def _drill(arguments: list[str], paths: Paths) -> int:
    from agent import drill  # no other command needs it

    if not drill.is_drill(arguments):
        return _wrong(f"usage: maas-ha-agent {drill.USAGE}")
    report = Report("maas-ha-agent", Masker())
    with _told(report, paths) as trouble:
        drill.drill(paths, report, arguments)
    return trouble.code


def _dhcp_clients(arguments: list[str], paths: Paths) -> int:
    from agent import dhcp_clients  # no other command needs it

    if not dhcp_clients.is_dhcp_clients(arguments):
        return _wrong(f"usage: maas-ha-agent {dhcp_clients.USAGE}")
    report = Report("maas-ha-agent", Masker())
    with _told(report, paths) as trouble:
        dhcp_clients.dhcp_clients(report, arguments)
    return trouble.code


def _with_bundle(command: str, paths: Paths) -> int:
    report = Report("maas-ha-agent", Masker())
    try:
        bundle = Bundle.from_json(sys.stdin.read())
    except BundleError as error:
        report.lines([f"maas-ha-agent: {error}: program and agent differ in version?"])
        return 1
    report = Report(bundle.host, Masker(bundle.secrets.values()))
    with _told(report, paths) as trouble, locked(paths, report) as descriptor:
        commands = Commands(report, descriptor)
        _recover(paths, commands, report)
        if command == "apply":
            outputs = apply(paths, report, commands, bundle)
            write(STDOUT, json.dumps(outputs, sort_keys=True) + "\n")
        else:
            from agent.remove import remove  # it knows every role

            remove(paths, report, commands, bundle)
            write(STDOUT, "{}\n")
    return trouble.code


def _without_bundle(arguments: list[str], paths: Paths) -> int:
    report = Report("maas-ha-agent", Masker())
    clean = True
    with _told(report, paths) as trouble, locked(paths, report) as descriptor:
        commands = Commands(report, descriptor)
        _recover(paths, commands, report)
        records = Records(paths).all()
        units = Units(commands, report, lambda name, before, verb: None)
        machine = Machine(paths, report, commands, units, Packages(paths, commands, report))
        if arguments == ["status"]:
            from agent.status import status  # it knows every role

            write(STDOUT, json.dumps(status(machine, records), sort_keys=True) + "\n")
        else:
            from agent.verify import verify  # it knows every role

            differences = verify(machine, records)
            clean = not differences
            if "--json" in arguments:
                write(STDOUT, json.dumps([dataclasses.asdict(difference) for difference in differences]) + "\n")
            else:
                write(STDOUT, "".join(f"{difference.component}: {difference.text}\n" for difference in differences))
    return trouble.code or (0 if clean else 1)


def _recover(paths: Paths, commands: Commands, report: Report) -> None:
    """Finish or undo what a crash interrupted."""
    records = Records(paths)
    handovers = [paths.at(packaging.handover) for packaging in PACKAGINGS.values()]
    for leftover in (*handovers, *paths.state.glob("pgpass-*"), *paths.state.rglob(f".*{STAGED_SUFFIX}")):
        remove_tree(leftover)
    Packages(paths, commands, report).recover()
    if recover(paths, commands, report, records):
        sweep_originals(paths, records)


class _told:  # noqa: N801 - reads as the context that it is
    """Prints a foreseeable error and turns it into exit code 1."""

    def __init__(self, report: Report, paths: Paths) -> None:
        self._report = report
        self._paths = paths
        self._started = time.time()
        self.code = 0

    def __enter__(self) -> _told:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        told = error if isinstance(error, ToldError) else self._explain(error)
        if told is None:
            return False
        self.code = 1
        self._report.lines(told.lines)
        return True

    def _explain(self, error: BaseException) -> ToldError | None:
        return explain(self._report, Commands(self._report), self._paths, error, self._started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
