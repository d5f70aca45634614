"""Progress and errors on standard error; a reader that went away never stops the work."""

from __future__ import annotations

import os
from contextlib import suppress

from agent.masking import Masker

STDOUT, STDERR = 1, 2


class Report:
    """Says what the agent does, with the host's name in front and secrets masked."""

    def __init__(self, host: str, masker: Masker) -> None:
        self.host = host
        self.masker = masker
        self.current = "start"
        """The step under way, named in an error."""

    def step(self, name: str) -> None:
        """Begin a step: it is printed, and an error from now on is told as its failure."""
        self.current = name
        self.say(name)

    def say(self, text: str) -> None:
        """One line of progress."""
        self.lines([f"{self.host}: {text}"])

    def lines(self, lines: list[str]) -> None:
        """Lines on standard error, masked and cut."""
        write(STDERR, "".join(self.masker.line(line) + "\n" for line in lines))


def write(descriptor: int, text: str) -> None:
    """All of `text` to a descriptor; a closed pipe or full disk behind it is ignored."""
    data = text.encode(errors="replace")
    with suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
