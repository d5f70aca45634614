"""Version, users and MAAS's settings."""

import json
from collections import Counter
from http import HTTPStatus

from . import version
from .api_resource import Call, Resource, operation, read
from .db import Row
from .web import Response, invalid, not_found

CAPABILITIES = [
    "networks-management",
    "static-ipaddresses",
    "ipv6-deployment-ubuntu",
    "devices-management",
    "storage-deployment-ubuntu",
    "network-deployment-ubuntu",
    "bridging-interface-ubuntu",
    "bridging-automatic-ubuntu",
    "authenticate-api",
]

SETTINGS: dict[str, object] = {
    "active_discovery_interval": 10800,
    "boot_images_auto_import": True,
    "boot_images_no_proxy": False,
    "commissioning_distro_series": "jammy",
    "completed_intro": False,
    "curtin_verbose": True,
    "default_distro_series": "jammy",
    "default_dns_ttl": 30,
    "default_osystem": "ubuntu",
    "dnssec_validation": "auto",
    "enable_analytics": True,
    "enable_http_proxy": True,
    "http_proxy": None,
    "kernel_opts": None,
    "maas_internal_domain": "maas-internal",
    "maas_name": "maas",
    "maas_proxy_port": 8000,
    "network_discovery": "enabled",
    "ntp_external_only": False,
    "ntp_servers": "ntp.ubuntu.com",
    "remote_syslog": None,
    "upstream_dns": None,
    "windows_kms_host": None,
}
"""The public settings with their defaults. `maas_url` is not one of them (maas-facts §0a, row 2)."""


def _version(call: Call) -> Response:
    """The short form of the version most controllers run (maas-facts §5)."""
    call.cur.execute("SELECT version FROM maasserver_node WHERE version IS NOT NULL AND node_type IN (2, 3, 4)")
    running = Counter(str(row["version"]).partition("-")[0] for row in call.cur.fetchall())
    short = running.most_common(1)[0][0] if running else version.SHORT
    return Response.json({"version": short, "subversion": "", "capabilities": CAPABILITIES})


def _user(row: Row) -> dict[str, object]:
    return {
        "username": row["username"],
        "email": row["email"],
        "is_superuser": row["is_superuser"],
        "is_local": True,
        "resource_uri": f"/MAAS/api/2.0/users/{row['username']}/",
    }


def _read_users(call: Call) -> Response:
    call.cur.execute("SELECT * FROM auth_user ORDER BY username")
    return Response.json([_user(row) for row in call.cur.fetchall()])


def _named_user(call: Call, username: str) -> Response:
    call.cur.execute("SELECT * FROM auth_user WHERE username = %s", (username,))
    row = call.cur.fetchone()
    if row is None:
        raise not_found()
    return Response.json(_user(row))


def _whoami(call: Call) -> Response:
    return _named_user(call, call.user.username if call.user else "")


def _read_user(call: Call) -> Response:
    return _named_user(call, call.arguments["username"])


def _known(name: str | None) -> str:
    if name is None:
        raise invalid({"name": ["This field is required."]})
    if name not in SETTINGS:
        raise invalid(
            {"name": [f"{name} is not a valid config setting (valid settings are: {', '.join(sorted(SETTINGS))})."]}
        )
    return name


def _get_config(call: Call) -> Response:
    name = _known(call.request.query.get("name"))
    call.cur.execute("SELECT value FROM maasserver_config WHERE name = %s", (name,))
    row = call.cur.fetchone()
    return Response.json(SETTINGS[name] if row is None else row["value"])


def _set_config(call: Call) -> Response:
    name = _known(call.request.form.get("name"))
    text = call.request.form.get("value")
    if text is None:
        raise invalid({"value": ["This field is required."]})
    call.cur.execute(
        "INSERT INTO maasserver_config (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
        (name, json.dumps(_typed(name, text))),
    )
    return Response.text("OK", HTTPStatus.OK)


def _typed(name: str, text: str) -> object:
    """The value in its setting's type."""
    if isinstance(SETTINGS[name], bool):
        return text.lower() in ("true", "1", "on", "yes")
    if isinstance(SETTINGS[name], int):
        if not text.isdigit():
            raise invalid({name: ["Enter a whole number."]})
        return int(text)
    return text


RESOURCES = (
    Resource("VersionHandler", "version/", (read(_version, anonymous=True),), anonymous=True),
    Resource("UsersHandler", "users/", (read(_read_users), operation("whoami", "GET", _whoami))),
    Resource("UserHandler", "users/{username}/", (read(_read_user),)),
    Resource(
        "MaasHandler",
        "maas/",
        (operation("get_config", "GET", _get_config), operation("set_config", "POST", _set_config, admin=True)),
    ),
)
