"""Questions of `maas init` (maas-facts §1.1)."""

from collections.abc import Callable, Sequence


def read_input(prompt: str) -> str:
    """An answer; at the end of the input it asks for ever, in all versions."""
    while True:
        try:
            return input(prompt)
        except EOFError:
            print()


def choose(prompt: str, choices: Sequence[str], default: str) -> str:
    """One of `choices`; an empty answer is the default."""
    while True:
        answer = read_input(f"{prompt} ({'/'.join(choices)}) [default={default}]? ").strip()
        if not answer:
            return default
        if answer in choices:
            return answer
        print(f"Invalid input, try again: one of {', '.join(choices)}")


def required(prompt: str, default: str | None = None, accept: Callable[[str], bool] = bool) -> str:
    """An answer that is accepted; an empty one is the default where there is one."""
    shown = f"{prompt} [default={default}]: " if default else f"{prompt}: "
    while True:
        answer = read_input(shown).strip() or default or ""
        if accept(answer):
            return answer
        print("Invalid input, try again")
