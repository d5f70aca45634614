"""nginx in front of a region's workers: its configuration, which regiond's master keeps, with and without TLS.

TLS is one setting of the database for all regions; whoever changes it notifies them, and each has its nginx read the
configuration again: reloaded where MAAS comes from packages, restarted in the snap (maas-facts §8).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from . import snap_http
from .db import Cursor
from .paths import Paths, write_atomically

CHANNEL = "sys_reverse_proxy"
SECRET = "global/tls"  # noqa: S105 - the row's name
PORT = "tls_port"
UNIT = "maas-http"
CONFIGURATION = "regiond.nginx.conf"
PLAIN = "    listen 5240;\n"
"""The line of the packaged configuration that TLS replaces."""
SECURE = """\
    listen {port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
"""
HEADERS = """\
        proxy_pass http://regiond-webapp;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
"""
STILL_PLAIN = ("rpc/", "metadata/", "api/2.0/machines", "images-stream")
"""What racks and machines ask for over http, also with TLS."""


@dataclass(frozen=True)
class Tls:
    """What `config-tls enable` stored; PEM."""

    key: str
    cert: str
    cacert: str
    port: int


def store(cur: Cursor, tls: Tls | None) -> None:
    """Set TLS for all regions, or none, and tell them."""
    if tls is None:
        cur.execute("DELETE FROM maasserver_secret WHERE path = %s", (SECRET,))
    else:
        values = {name: value for name, value in asdict(tls).items() if name != "port"}
        cur.execute(
            "INSERT INTO maasserver_secret (path, value, created, updated) VALUES (%s, %s, now(), now())"
            " ON CONFLICT (path) DO UPDATE SET value = EXCLUDED.value, updated = now()",
            (SECRET, json.dumps(values)),
        )
    cur.execute(
        "INSERT INTO maasserver_config (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
        (PORT, json.dumps(tls.port if tls else None)),
    )
    cur.execute(f"NOTIFY {CHANNEL}")


def read(cur: Cursor) -> Tls | None:
    """TLS as it is set."""
    cur.execute(
        "SELECT s.value, c.value AS port FROM maasserver_secret s, maasserver_config c"
        " WHERE s.path = %s AND c.name = %s AND c.value <> 'null'",
        (SECRET, PORT),
    )
    row = cur.fetchone()
    return None if row is None else Tls(**row["value"], port=int(row["port"]))


def configure(paths: Paths, tls: Tls | None) -> bool:
    """Write what nginx reads; whether that is something new."""
    if not (snap_http.source(paths) / CONFIGURATION).exists():
        return False  # a host without nginx, as some tests have
    folder = paths.state / "http"
    certificate, key = folder / "certs/regiond-proxy.pem", folder / "certs/regiond-proxy-key.pem"
    wanted = {folder / CONFIGURATION: (_text(paths, tls, certificate, key), 0o644)}
    if tls:
        certificate.parent.mkdir(parents=True, exist_ok=True)
        wanted |= {certificate: (tls.cert + tls.cacert, 0o644), key: (tls.key, 0o600)}
    else:
        certificate.unlink(missing_ok=True)
        key.unlink(missing_ok=True)
    changed = [path for path, (text, _) in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in changed:
        text, mode = wanted[path]
        write_atomically(path, text, mode)
    return bool(changed)


def _text(paths: Paths, tls: Tls | None, certificate: Path, key: Path) -> str:
    packaged = snap_http.text(paths, CONFIGURATION)
    if tls is None:
        return packaged
    secure = SECURE.format(port=tls.port, certificate=certificate, key=key)
    return packaged.replace(PLAIN, secure) + _redirecting(tls.port)


def _redirecting(port: int) -> str:
    """Port 5240 beside TLS: the rest of the API and the UI move away for good (301)."""
    plain = "".join(f"    location /MAAS/{path} {{\n{HEADERS}    }}\n" for path in STILL_PLAIN)
    moved = f"    location /MAAS {{\n        return 301 https://$host:{port}$request_uri;\n    }}\n"
    return f"\nserver {{\n{PLAIN}{plain}{moved}}}\n"
