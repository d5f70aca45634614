"""The run mode of the snap `maas`, which `maas init` gives it once (maas-facts §1.1)."""

from __future__ import annotations

from agent.errors import StepError
from agent.machine import Work
from agent.packaging import PACKAGINGS, SNAP, SNAP_MODE


class SnapMode:
    """The mode that one controller wants, `region` or `rack`, and the one that the snap has."""

    def __init__(self, work: Work, wanted: str, unit: str) -> None:
        self._work = work
        self._wanted = wanted
        self._unit = unit
        self._initialised_now = False

    def read(self) -> str:
        """The snap's mode, "" before `maas init`."""
        try:
            return self._work.paths.at(SNAP_MODE).read_text().strip()
        except FileNotFoundError:
            return ""

    def refuse_other(self) -> str:
        """The snap's mode, "" or the wanted one: `init --force` would destroy another's. Raises `StepError`."""
        mode = self.read()
        if mode not in ("", self._wanted):
            raise StepError(
                f"the snap maas on this host is in mode {mode!r}, and one snap can't also be a {self._wanted} of its"
                f" own: move the {self._wanted} to another host, or run `snap remove --purge maas` here"
            )
        return mode

    def initialise(self, *flags: str, answer: str, timeout: float) -> None:
        """`maas init` with every flag but the one secret, which is the `answer` to the one question that is left.

        In an argument everybody could read it. At the end of its input `init` would ask for ever: hence `timeout`, in
        seconds. Raises `StepError`.
        """
        work, name = self._work, f"maas init {self._wanted}"
        work.report.step(name)
        work.units.announce("restart", self._unit, work.units.state(self._unit))
        self._initialised_now = True
        done = work.commands.run(
            *(PACKAGINGS[SNAP.name].client, "init", self._wanted, *flags, "--force"),
            stdin=f"{answer}\n",
            timeout=timeout,
            check=False,
            hold_lock=True,
            detached=True,
        )
        if done.code != 0:
            raise StepError(f"{name} failed (exit {done.code}): {done.complaint}", unit=self._unit)
        if self.read() != self._wanted:
            raise StepError(f"{name} ended without error, but the snap's mode is {self.read() or 'none'}")

    def roll_back(self) -> None:
        """No mode again, if it came just now; the journal has the unit restarted, so that nothing runs then."""
        if self._initialised_now:
            self._forget()

    def removed(self, timeout: float) -> None:
        """No mode, and the unit as it is after the snap's installation: active, with nothing to run."""
        self._forget()
        self._work.commands.run("systemctl", "start", self._unit, check=False, timeout=timeout)

    def _forget(self) -> None:
        self._work.paths.at(SNAP_MODE).unlink(missing_ok=True)
