"""Verifiers against the published exchange, and by their own rules."""

from __future__ import annotations

import base64
import hmac

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.scram import is_for, verifier


def test_vector_of_rfc_7677() -> None:
    """The exchange of RFC 7677 §3: the server signature that it prints follows from our server key."""
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={salt},i=4096,c=biws,r={nonce}"
    made = verifier("pencil", base64.b64decode(salt), 4096)
    assert made.startswith(f"SCRAM-SHA-256$4096:{salt}$")
    server_key = base64.b64decode(made.rpartition(":")[2])
    signature = hmac.digest(server_key, message.encode(), "sha256")
    assert base64.b64encode(signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@settings(max_examples=10)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_fits_its_password_only(password: str, other: str) -> None:
    made = verifier(password)
    assert is_for(made, password)
    assert is_for(made, other) == (password == other)
    assert password not in made or len(password) < 6


def test_salt_differs() -> None:
    assert verifier("x") != verifier("x")


def test_what_is_no_verifier() -> None:
    for text in (None, "", "md5abc", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$4096:!$a:b", "SCRAM-SHA-256$-1:YQ==$a:b"):
        assert not is_for(text, "x")
