"""The secret that regions and racks share, and the proof of knowing it (maas-facts §3, §4.4)."""

import hashlib
import hmac
import json
import secrets

from .db import Cursor
from .paths import Paths, read_text, write_atomically

RPC_SECRET = "global/rpc-shared"  # noqa: S105 - the row's name
OMAPI_KEY = "global/omapi-key"
HEX_LENGTH = 32


def ensure_in_database(cur: Cursor, path: str) -> str:
    """The secret of that row, made if there is no such row. The row is the only source (MAAS ≥ 3.3)."""
    cur.execute("SELECT value FROM maasserver_secret WHERE path = %s", (path,))
    row = cur.fetchone()
    if row is not None:
        return str(row["value"]["secret"])
    secret = secrets.token_hex(HEX_LENGTH // 2)
    cur.execute(
        "INSERT INTO maasserver_secret (path, value, created, updated) VALUES (%s, %s, now(), now())",
        (path, json.dumps({"secret": secret})),
    )
    return secret


def write(paths: Paths, secret: str) -> None:
    """Overwrite the file with the database's secret, as each start of a region does."""
    if read_text(paths.secret) != secret:
        write_atomically(paths.secret, secret)
    paths.secret.chmod(0o640)


def digest(secret: str, message: bytes, salt: bytes) -> bytes:
    """The proof for a challenge. Raises ValueError if the secret isn't hexadecimal (maas-facts §1.3)."""
    return hmac.new(bytes.fromhex(secret), message + salt, hashlib.sha256).digest()


def matches(secret: str, message: bytes, salt: bytes, given: bytes) -> bool:
    """Whether the other side's proof is right."""
    return hmac.compare_digest(digest(secret, message, salt), given)
