"""OAuth 1.0 PLAINTEXT as MAAS's API checks it (maas-facts §5)."""

import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

import psycopg2
import psycopg2.errors

from .db import Cursor
from .web import ApiError, Fields, Request, refuse

THRESHOLD_S = 300
"""Clock difference that MAAS still accepts (maas-facts §0a, row 5)."""


@dataclass(frozen=True)
class User:
    """Whose key signed the request."""

    id: int
    username: str
    is_superuser: bool


def authenticate(cur: Cursor, request: Request) -> User | None:
    """The user; None without an Authorization header. Raises ApiError, 401, for anything wrong with it."""
    header = request.headers.get("authorization")
    if not header or not header.startswith("OAuth"):
        return None
    fields = _parse(header)
    user, secret = _find(cur, fields)
    _check_signature(fields, secret)
    _check_timestamp(fields)
    _use_nonce(cur, fields)
    return user


def forget_nonces(cur: Cursor) -> None:
    """Drop those whose timestamp is refused by now: each regiond does so when it starts, and no request does."""
    cur.execute("DELETE FROM piston3_nonce WHERE created < now() - make_interval(secs => %s)", (2 * THRESHOLD_S,))


def _parse(header: str) -> Fields:
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}


def _find(cur: Cursor, fields: Fields) -> tuple[User, str]:
    cur.execute(
        "SELECT u.id, u.username, u.is_superuser, t.secret FROM piston3_token t"
        " JOIN piston3_consumer c ON c.id = t.consumer_id JOIN auth_user u ON u.id = t.user_id"
        " WHERE t.key = %s AND c.key = %s",
        (fields.get("oauth_token"), fields.get("oauth_consumer_key")),
    )
    row = cur.fetchone()
    if row is None:
        raise _denied("Invalid API key.")
    return User(row["id"], row["username"], row["is_superuser"]), row["secret"]


def _check_signature(fields: Fields, secret: str) -> None:
    """PLAINTEXT: the consumer's secret, which is empty, `&`, the token's secret."""
    if fields.get("oauth_signature_method") != "PLAINTEXT" or fields.get("oauth_signature") != f"&{secret}":
        raise _denied("Invalid API key.")


def _check_timestamp(fields: Fields) -> None:
    given, now = int(fields.get("oauth_timestamp") or 0), int(time.time())
    if abs(now - given) > THRESHOLD_S:
        raise _denied(
            f"'Expired timestamp: given {given} and now {now} has a greater difference than threshold {THRESHOLD_S}'"
        )


def _use_nonce(cur: Cursor, fields: Fields) -> None:
    """A nonce counts once."""
    nonce = fields.get("oauth_nonce", "")
    try:
        cur.execute(
            "INSERT INTO piston3_nonce (token_key, consumer_key, key) VALUES (%s, %s, %s)",
            (fields["oauth_token"], fields["oauth_consumer_key"], nonce),
        )
    except psycopg2.errors.UniqueViolation:
        raise _denied(f"'Nonce already used: {nonce}'") from None


def _denied(text: str) -> ApiError:
    return refuse(HTTPStatus.UNAUTHORIZED, f"Authorization Error: {text}")
