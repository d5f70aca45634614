"""The one error that the lab shows to its user."""

from __future__ import annotations


class LabError(Exception):
    """A foreseeable problem; its text is one line that says what is wrong and what to do."""
