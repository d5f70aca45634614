"""Keeps secrets out of every line that the agent prints."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable

MASK = "[secret]"
MAX_LINE = 4000
"""Characters of a line that is printed."""


class Masker:
    """Replaces known secrets, also in the forms in which tools echo them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask `secret` from now on; an empty one is ignored."""
        self._forms = sorted({*self._forms, *_forms(secret)}, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """`text` without secrets."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def line(self, text: str) -> str:
        """`text` without secrets, as one line of at most `MAX_LINE` characters."""
        masked = self.mask(text).replace("\r", " ").replace("\n", " ")
        return masked if len(masked) <= MAX_LINE else masked[: MAX_LINE - 1] + "…"


def _forms(secret: str) -> set[str]:
    """The secret as text, percent-encoded, base64, JSON and SQL; an API key also by its parts, a PEM by its lines."""
    if not secret:
        return set()
    raw = secret.encode()
    parts = [secret, *(line for line in secret.splitlines() if len(line) >= 8)]
    parts += [part for part in secret.split(":") if len(part) >= 8]
    forms: set[str] = set()
    for part in parts:
        quoted = urllib.parse.quote(part, safe="")
        forms |= {part, quoted, quoted.lower(), urllib.parse.quote(part), urllib.parse.quote_plus(part)}
        forms |= {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}
        forms |= {repr(part)[1:-1], part.replace("'", "''")}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(raw).decode().rstrip("="))
    return forms
