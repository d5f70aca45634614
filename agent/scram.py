"""SCRAM-SHA-256 verifiers as PostgreSQL stores them (RFC 5803), so that a password never appears in SQL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096
"""PostgreSQL's own default."""


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """The text for `ALTER ROLE … PASSWORD`, with a fresh salt unless one is given."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def is_for(known: str | None, password: str) -> bool:
    """True if the verifier `known` was made from `password`."""
    try:
        method, parameters, _ = (known or "").split("$")
        iterations, salt = parameters.split(":")
        expected = verifier(password, base64.b64decode(salt), int(iterations))
    except ValueError:
        return False
    return method == "SCRAM-SHA-256" and hmac.compare_digest(expected, known or "")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
