"""systemd units, with the journal told before each change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.commands import Commands
from agent.errors import StepError
from agent.records import UnitBefore
from agent.report import Report

STOP_TIMEOUT = 330.0
"""Seconds for one systemctl call: regiond and rackd were seen to take up to 166 s to stop (maas-facts §0a)."""
ENABLED = {"enabled", "enabled-runtime", "static", "indirect", "generated", "alias", "linked", "linked-runtime"}


@dataclass(frozen=True)
class UnitState:
    """A unit as systemd has it."""

    loaded: bool
    active: bool
    enabled: bool
    masked: bool

    @property
    def before(self) -> UnitBefore:
        """What is kept to restore it."""
        return UnitBefore(self.active, self.enabled)


class Units:
    """Asks and tells systemd."""

    def __init__(self, commands: Commands, report: Report, touch: Callable[[str, UnitBefore, str], None]) -> None:
        self._commands = commands
        self._report = report
        self._touch = touch
        """Writes (unit, state before, verb) to the journal."""

    def states(self, names: Iterable[str]) -> dict[str, UnitState]:
        """The state of each unit, by one call."""
        names = list(dict.fromkeys(names))
        if not names:
            return {}
        show = ("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", "--", *names)
        blocks = self._commands.run(*show).stdout.strip("\n").split("\n\n")
        if len(blocks) != len(names):
            raise StepError(f"systemctl show told of {len(blocks)} units instead of {len(names)}")
        return {name: _state(block) for name, block in zip(names, blocks, strict=True)}

    def state(self, name: str) -> UnitState:
        """The state of one unit."""
        return self.states([name])[name]

    def process(self, name: str) -> str:
        """Number of the unit's main process, "" where it has none."""
        shown = self._commands.run("systemctl", "show", "--property=MainPID", "--", name).stdout
        found = [line.partition("=")[2] for line in shown.splitlines() if line.startswith("MainPID=")]
        return found[0] if found and found[0] != "0" else ""

    def change(self, verb: str, name: str, before: UnitState) -> None:
        """Run `systemctl VERB UNIT`. Raises `StepError` with the unit named, so that its log is shown."""
        self._report.step(f"{verb} {name}")
        self._touch(name, before.before, verb)
        self._tell(verb, name)

    def announce(self, verb: str, name: str, before: UnitState) -> None:
        """Tell the journal that something else than systemctl is about to do VERB to a unit."""
        self._touch(name, before.before, verb)

    def stop(self, names: Iterable[str]) -> None:
        """Stop those units that run."""
        for name, state in self.states(names).items():
            if state.active:
                self.change("stop", name, state)

    def restore(self, name: str, before: UnitBefore, verb: str) -> None:
        """Bring a unit back to `before` after `verb` may have been given to it."""
        now = self.state(name)
        if now.loaded and now.enabled != before.enabled:
            self._tell("enable" if before.enabled else "disable", name)
        if not before.active:
            self._commands.run("systemctl", "reset-failed", name, check=False)
            if now.loaded:
                self._tell("stop", name)
        elif now.active and verb == "reload":
            self._tell("reload-or-restart", name)
        elif verb in ("enable", "disable"):
            self._tell("start", name)
        else:
            self._tell("restart", name)

    def _tell(self, verb: str, name: str) -> None:
        if verb in ("start", "restart"):  # else systemd refuses a unit that failed five times in ten seconds
            self._commands.run("systemctl", "reset-failed", name, check=False)
        done = self._commands.run("systemctl", "--no-ask-password", verb, name, timeout=STOP_TIMEOUT, check=False)
        if done.code != 0:
            raise StepError(f"systemctl {verb} {name} failed: {done.complaint}", unit=name)


def _state(block: str) -> UnitState:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        loaded=values.get("LoadState") not in ("not-found", None),
        active=values.get("ActiveState") in ("active", "reloading"),
        enabled=values.get("UnitFileState") in ENABLED,
        masked=values.get("LoadState") == "masked",
    )
