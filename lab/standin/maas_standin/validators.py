"""How MAAS checks the values of its configuration files (maas-facts §2).

`read` takes what YAML gave and is lax where MAAS is lax; `parse` takes a command line argument and is stricter.
"""

import re
from dataclasses import dataclass

_URL = re.compile(r"^(?:https?://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/:?#]+)(?::\d{1,5})?(?:/\S*)?$", re.IGNORECASE)


class Invalid(Exception):  # noqa: N818 (MAAS's own name)
    """A value that MAAS refuses; the text is what it tells the user."""


@dataclass(frozen=True)
class Text:
    """Any text."""

    def read(self, raw: object) -> str:
        """The value as text: even a list is accepted at reading (maas-facts §2)."""
        return "" if raw is None else str(raw)

    def parse(self, text: str) -> str:
        """The text itself."""
        return text


@dataclass(frozen=True)
class Url:
    """A URL; checked only when it is set (maas-facts §2)."""

    def read(self, raw: object) -> str:
        """The value as text, unchecked."""
        return "" if raw is None else str(raw)

    def parse(self, text: str) -> str:
        """The URL, `http://` put before it if it has no scheme.

        An underscore in the host is refused, while a comma list passes (maas-facts §2). The facts don't give the text.

        Raises:
            Invalid: not a URL.
        """
        found = _URL.match(text)
        if found is None or "_" in found["host"]:
            raise Invalid("That is not a valid URL")
        return text if re.match("https?://", text, re.IGNORECASE) else f"http://{text}"


@dataclass(frozen=True)
class UrlList:
    """The rack's `maas_url`: one URL or a list of them."""

    def read(self, raw: object) -> tuple[str, ...]:
        """The URLs, unchecked."""
        return tuple(str(url) for url in raw) if isinstance(raw, list) else (str(raw),)

    def parse(self, text: str) -> str:
        """One URL of the list.

        Raises:
            Invalid: not a URL.
        """
        return Url().parse(text)


@dataclass(frozen=True)
class Number:
    """A whole number within limits."""

    minimum: int
    maximum: int | None = None

    def read(self, raw: object) -> int:
        """The number.

        Raises:
            Invalid: out of its limits.
            TypeError: text instead of a number, such as the quoted `num_workers: '8'` (maas-facts §2).
        """
        if not isinstance(raw, int):
            raise TypeError(f"'<' not supported between instances of '{type(raw).__name__}' and 'int'")
        return self._within_limits(raw)

    def parse(self, text: str) -> int:
        """The number.

        Raises:
            Invalid: not a whole number, or out of its limits.
        """
        try:
            number = int(text)
        except ValueError:
            raise Invalid("Please enter an integer value") from None
        return self._within_limits(number)

    def _within_limits(self, number: int) -> int:
        if number < self.minimum:
            raise Invalid(f"Please enter a number that is {self.minimum} or greater.")
        if self.maximum is not None and number > self.maximum:
            raise Invalid(f"Please enter a number that is {self.maximum} or smaller.")
        return number


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, raw: object) -> bool:
        """The flag; its usual words are understood too.

        Raises:
            Invalid: anything else.
        """
        return raw if isinstance(raw, bool) else self.parse(str(raw))

    def parse(self, text: str) -> bool:
        """The flag.

        Raises:
            Invalid: not one of the usual words for true and false.
        """
        word = text.strip().lower()
        if word in {"true", "t", "yes", "y", "on", "1"}:
            return True
        if word in {"false", "f", "no", "n", "off", "0"}:
            return False
        raise Invalid("Value should be 'true' or 'false'")
