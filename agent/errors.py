"""What goes wrong on a host, as the operator is to read it."""

from __future__ import annotations


class StepError(Exception):
    """A step failed for a foreseeable reason; the transaction rolls back and the text goes to the operator."""

    def __init__(self, cause: str, *, unit: str = "", log: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.unit = unit
        """Unit whose last log lines belong to the message; empty for none."""
        self.log = log
        """Log file, read where the unit's journal is empty (MAAS before 3.5 logs to files, maas-facts §10)."""


class InterruptedBySignalError(Exception):
    """SIGHUP, SIGTERM or SIGINT arrived; the transaction rolls back."""
