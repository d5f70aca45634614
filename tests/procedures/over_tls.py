"""MAAS over TLS as its clients and operators see it."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import subprocess
from typing import cast
from urllib.parse import urlsplit

from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment
from tests.engine.hosts import sql, unit_starts

UNITS = re.compile(r"\S+ (snap\.|maas-|haproxy|postgresql|bind9|named)")


def tls(cluster: Cluster) -> dict[str, object]:
    """What the stack file says under `maas.tls`."""
    return cast("dict[str, dict[str, object]]", cluster["maas"])["tls"]


def without_tls(cluster: Cluster) -> None:
    del cast("dict[str, object]", cluster["maas"])["tls"]


def address(deployment: Deployment, host: str) -> str:
    return str(deployment.lab.host(host).address)


def authority(deployment: Deployment) -> str:
    return str(deployment.outputs()["ca_certificate"])


def trusting(ca_certificate: str) -> ssl.SSLContext:
    """As strict as Python 3.13 is by default."""
    context = ssl.create_default_context(cadata=ca_certificate or None)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def get(url: str, ca_certificate: str = "") -> http.client.HTTPResponse:
    """The answer to one GET, redirects not followed; https as `ca_certificate` alone is trusted."""
    parts = urlsplit(url)
    assert parts.hostname
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        trust = trusting(ca_certificate)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=30, context=trust)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("GET", parts.path)
    return connection.getresponse()


def certificate(host: str, port: int, ca_certificate: str) -> ssl._PeerCertRetDictType:
    """What `host`, an address, serves and the authority vouches for."""
    with (
        socket.create_connection((host, port), 30) as plain,
        trusting(ca_certificate).wrap_socket(plain, server_hostname=host) as connection,
    ):
        shown = connection.getpeercert()
    assert shown
    return shown


def status(deployment: Deployment) -> Status:
    command = shutil.which("maas-ha", path=deployment.environment["PATH"])
    assert command
    done = subprocess.run(
        [command, "status", STACK, "--json"],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Status.model_validate_json(done.stdout)


def starts(deployment: Deployment) -> dict[str, str]:
    """When each service of the cluster started."""
    return {name: when for name, when in unit_starts(deployment.lab).items() if UNITS.match(name)}


def told(deployment: Deployment) -> list[str]:
    """When MAAS was last told about TLS."""
    return sql(deployment.lab, "SELECT updated FROM maasserver_secret WHERE path = 'global/tls'")
