"""The snap `maas`: installed once and held, accounted for, and removed with what came along (maas-facts §1.1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import disk, packaging
from agent.commands import Commands, Completed
from agent.errors import StepError
from agent.machine import Work
from agent.paths import Paths
from agent.report import Report

MAAS = "maas"
DEBS = frozenset({"maas-common", "maas-rack-controller", "maas-region-api", "maas-region-controller"})
"""Packages that make a host a controller."""
SNAP = "/usr/bin/snap"
SOCKET = "snapd.socket"
"""The unit by which `snap` reaches snapd; it isn't started when its package is installed."""
TIMEOUT = 1800.0
"""Seconds for one change: the snap is a few hundred megabytes."""
SEED_TIMEOUT = 600.0
"""Seconds until a snapd that has just been installed takes orders."""
CONFLICT = 10
"""Exit code of `snap` where another change of the same snap is under way."""
CONFLICT_DEADLINE = 900.0
"""Seconds to wait for that other change."""
CONFLICT_PAUSE = 2.0


@dataclass(frozen=True)
class Snap:
    """A snap on the host, a line of `snap list`."""

    name: str
    version: str
    tracking: str
    """Channel that it follows."""
    notes: tuple[str, ...]

    @property
    def is_held(self) -> bool:
        """True if general refreshes pass it over."""
        return "held" in self.notes

    @property
    def track(self) -> str:
        """The channel without its risk: MAAS's version."""
        return self.tracking.partition("/")[0]


class Snaps:
    """The snaps of this host and which of them came with maas-ha."""

    def __init__(self, paths: Paths, commands: Commands, report: Report) -> None:
        self._paths = paths
        self._commands = commands
        self._report = report
        self._new: set[str] = set()
        self._held = False

    def maas(self) -> Snap | None:
        """The snap `maas`, if it is on the host."""
        return self._installed().get(MAAS)

    def install_maas(self, channel: str) -> None:
        """Install the snap, with the bases that it needs. Raises `StepError` with snapd's words."""
        disk.write_private(self._before, "".join(f"{name}\n" for name in sorted(self._installed())))
        try:
            self._report.step("wait for snapd")
            self._change("wait", "system", "seed.loaded", timeout=SEED_TIMEOUT)
            self._report.step(f"install the snap maas from {channel}")
            self._change("install", MAAS, f"--channel={channel}")
        finally:
            self._new |= self.account()

    def hold_maas(self) -> None:
        """No refresh but by name: one of a single region would migrate the schema under the others."""
        self._report.step("hold refreshes of the snap maas")
        self._change("refresh", "--hold", MAAS)
        self._held = True

    def release_maas(self) -> None:
        """Let snapd refresh the snap again, where it is still there."""
        if self.maas():
            self._change("refresh", "--unhold", MAAS)

    def account(self) -> set[str]:
        """Add to ours what came since the list of snaps was taken, also before a crash; what was added."""
        try:
            known = set(self._before.read_text().split())
        except FileNotFoundError:
            return set()
        new = self._installed().keys() - known
        self._save(self.ours() | new)
        self._before.unlink()
        return new

    def ours(self) -> set[str]:
        """Snaps that came with maas-ha."""
        try:
            return set(self._ours.read_text().split())
        except FileNotFoundError:
            return set()

    def undo(self) -> None:
        """Take back what this object did."""
        try:
            if self._new:
                self._report.say("removing the snap that was installed")
                self.remove(self._new)
            elif self._held:
                self.release_maas()
        except StepError as error:
            self._report.say(f"not undone: {error.cause}")
        self._new, self._held = set(), False

    def remove(self, names: set[str]) -> None:
        """Remove `names` with their data: MAAS first, then what came with it unless another snap needs it.

        Raises `StepError` if MAAS stays.
        """
        present = self._installed()
        if MAAS in names & present.keys():
            self._report.step("remove the snap maas")
            self._change("remove", "--purge", MAAS)
        # snapd's own snap goes last: it can't go while another is there.
        for name in sorted((names & present.keys()) - {MAAS}, key=lambda name: name == "snapd"):
            done = self._retried("remove", "--purge", name, timeout=TIMEOUT)
            if done.code != 0:
                self._report.say(f"the snap {name} stays: {done.complaint}")
        self._save(self.ours() - names)

    def _installed(self) -> dict[str, Snap]:
        if not self._paths.at(SNAP).exists():
            return {}
        done = self._commands.run("snap", "list", "--unicode=never", check=False)
        if done.code != 0:
            raise StepError(f"snap list failed (exit {done.code}): {done.complaint}")
        return {snap.name: snap for snap in _table(done.stdout)}

    def _change(self, *words: str, timeout: float = TIMEOUT) -> None:
        done = self._retried(*words, timeout=timeout)
        if done.code != 0:
            said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.code}"
            raise StepError(f"snap {' '.join(words)}: {said}")

    def _retried(self, *words: str, timeout: float) -> Completed:
        """Run `snap`, again while another change of the snap is under way."""
        return _while_busy(
            lambda: self._commands.run("snap", *words, timeout=timeout, check=False, hold_lock=True), self._report
        )

    def _save(self, names: set[str]) -> None:
        disk.write_private(self._ours, "".join(f"{name}\n" for name in sorted(names)))

    @property
    def _before(self) -> Path:
        """Snaps seen before an installation that isn't accounted for yet."""
        return self._paths.state / "snaps-before"

    @property
    def _ours(self) -> Path:
        """Snaps that came with maas-ha, one a line."""
        return self._paths.state / "snaps-installed"


def refuse_mixture(work: Work, channel: str) -> None:
    """MAAS by deb and by snap on one host would fight for its ports and be two controllers of one name (maas-facts §9).

    Raises `StepError`.
    """
    if channel:
        if debs := sorted(DEBS & work.packages.installed()):
            raise StepError(
                f"this host has MAAS from packages ({', '.join(debs)}), the stack file asks for the snap: one host"
                " can't have both. Purge the packages, or write `packaging: deb`"
            )
    elif DEBS & set(work.bundle.packages) and work.paths.at(packaging.SNAP.client).is_symlink():
        raise StepError(
            "this host has the snap maas, the stack file asks for packages: one host can't have both. Run"
            " `snap remove --purge maas` there, or write `packaging: snap`"
        )


def refuse_other_version(snaps: Snaps, channel: str) -> None:
    """Another MAAS than the wanted one: refreshing it is a step of its own. Raises `StepError`."""
    snap = snaps.maas()
    wanted = channel.partition("/")[0]
    if snap and snap.track != wanted:
        raise StepError(
            f"the snap maas here is {snap.version} from {snap.tracking}, the stack file asks for {channel}.\n"
            f"Run `snap refresh maas --channel={channel}` on one host after the other: racks first, then regions.\n"
            "Each refresh restarts all of MAAS on its host; on a region it migrates the database under the other\n"
            "regions, and there is no way back. Or keep the version in the stack file"
        )


def bring_maas(work: Work, snaps: Snaps, channel: str) -> None:
    """Have the snap on the host, held. One that was there keeps its channel. Raises `StepError`."""
    socket = work.units.state(SOCKET)
    if not socket.active:
        work.units.change("start", SOCKET, socket)
    snap = snaps.maas()
    if snap is None:
        snaps.install_maas(channel)
    elif snap.tracking != channel:
        work.report.say(
            f"the snap maas stays on {snap.tracking}: `snap refresh maas --channel={channel}` restarts all of MAAS here"
        )
    if snap is None or not snap.is_held:
        snaps.hold_maas()
        work.facts["held"] = "by maas-ha"


def differences_of_maas(snaps: Snaps, channel: str) -> list[str]:
    """How the snap differs from what the last apply left."""
    snap = snaps.maas()
    if snap is None:
        return ["the snap maas isn't installed"]
    found = [] if snap.track == channel.partition("/")[0] else [f"the snap maas follows {snap.tracking}"]
    return found if snap.is_held else [*found, "the snap maas isn't held: snapd may refresh it at any time"]


def _while_busy(run: Callable[[], Completed], report: Report) -> Completed:
    deadline = time.monotonic() + CONFLICT_DEADLINE
    told = False
    while (done := run()).code == CONFLICT and time.monotonic() < deadline:
        if not told:
            report.say(f"waiting: {done.complaint}")
            told = True
        time.sleep(CONFLICT_PAUSE)  # snap tells only whoever began the other change
    return done


def _table(text: str) -> list[Snap]:
    """The lines of `snap list` below its header."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [Snap(row[0], row[1], row[3], tuple(row[5].split(","))) for row in rows if len(row) >= 6]
