"""How `snap` fails."""

CHANGE_IN_PROGRESS = 10
"""Exit code where another change of the same snap is under way: try again."""


class SnapError(Exception):
    """One line on stderr after `error: `, and an exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code
