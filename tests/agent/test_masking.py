"""No known secret survives in a line, in any form in which tools echo it."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.masking import MASK, MAX_LINE, Masker

SECRET = "pa ss'wör\"d/+\\x"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote(SECRET),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote(SECRET, safe="").lower(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        SECRET.replace("'", "''"),
    ],
)
def test_forms(form: str) -> None:
    masked = Masker([SECRET]).mask(f"before {form} after")
    assert MASK in masked
    assert form not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_api_key_also_by_its_parts() -> None:
    masker = Masker(["consumer1:token-abcdef:secret-xyz"])
    assert masker.mask('oauth_token="token-abcdef", oauth_signature="%26secret-xyz"') == (
        f'oauth_token="{MASK}", oauth_signature="%26{MASK}"'
    )


def test_pem_also_by_its_lines() -> None:
    masker = Masker(["-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----\n"])
    assert masker.mask("log: mnopqrstuvwx") == f"log: {MASK}"


def test_longer_secret_first_and_empty_ignored() -> None:
    assert Masker(["abc", "abcdef", ""]).mask("abcdef abc x") == f"{MASK} {MASK} x"


def test_learned_later() -> None:
    masker = Masker()
    masker.add("late-one")
    assert masker.mask("late-one") == MASK


def test_line_is_one_short_line() -> None:
    line = Masker(["secret"]).line("a\r\nb" + "secret" * 2000)
    assert "\n" not in line
    assert len(line) == MAX_LINE
    assert "secretsecret" not in line


@given(st.text(min_size=1), st.text(), st.text())
def test_nothing_survives(secret: str, before: str, after: str) -> None:
    masked = Masker([secret]).mask(before + secret + after)
    assert secret not in masked.replace(MASK, "") or secret in before + after or secret in MASK or len(secret) < 3
