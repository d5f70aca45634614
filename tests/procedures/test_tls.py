"""TLS by MAAS itself, passed through HAProxy: put in force, renewed and taken away by plain updates.

In order, on one cluster.
"""

from __future__ import annotations

import datetime
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import pytest

from agent.roles.host import LAUNCHER
from ops.status import Status
from tests.engine.deployment import STACK, Cluster, Deployment, name_of, plaintext
from tests.engine.hosts import files_holding, sql, unit_starts
from tests.lab.standin.daemons.polling import eventually
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

REGIONS = ("region1", "region2")
RACKS = ("rack1", "rack2")
UNITS = re.compile(r"\S+ (maas-|haproxy|postgresql|bind9|named)")


def tls(cluster: Cluster) -> dict[str, object]:
    """What the stack file says under `maas.tls`."""
    return cast("dict[str, dict[str, object]]", cluster["maas"])["tls"]


def with_tls(cluster: Cluster) -> None:
    cast("dict[str, object]", cluster["maas"])["tls"] = {"names": ["maas.example.com"]}


def without_tls(cluster: Cluster) -> None:
    del cast("dict[str, object]", cluster["maas"])["tls"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("tls"), "proc-tls", "198.18.25.0/24", change=with_tls) as made:
        made.up()
        yield made


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


def serials(deployment: Deployment) -> set[object]:
    """The serial numbers that the regions serve, each itself and both behind HAProxy."""
    ca = authority(deployment)
    places = [(address(deployment, region), 5443) for region in REGIONS] + [(address(deployment, "lb1"), 443)]
    return {certificate(host, port, ca)["serialNumber"] for host, port in places}


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


def key(deployment: Deployment) -> str:
    """A line of MAAS's private key, of its end: an RSA key begins with what the certificate says too."""
    resource = next(item for item in deployment.resources() if name_of(item) == "cluster-maas-key")
    outputs = cast("dict[str, object]", resource["outputs"])
    return plaintext(outputs["privateKeyPemPkcs8"]).splitlines()[-3]


def test_the_api_is_served_over_tls(deployed: Deployment) -> None:
    ca, outputs = authority(deployed), deployed.outputs()
    balancer = address(deployed, "lb1")
    assert outputs["api_url"] == f"https://{balancer}/MAAS"
    places = [balancer, f"{balancer}:5443", *(f"{address(deployed, region)}:5443" for region in REGIONS)]
    for place in places:
        assert get(f"https://{place}/MAAS/api/2.0/version/", ca).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        get(f"https://{balancer}/MAAS/api/2.0/version/")


def test_one_certificate_holds_for_every_name_and_address(deployed: Deployment) -> None:
    ca = authority(deployed)
    named = {("DNS", name) for name in ("maas.example.com", "lb1", *REGIONS)}
    named |= {("IP Address", address(deployed, host)) for host in ("lb1", *REGIONS)}
    for region in REGIONS:
        assert set(certificate(address(deployed, region), 5443, ca)["subjectAltName"]) == named
    assert len(serials(deployed)) == 1


def test_http_moves_clients_to_tls_and_racks_stay(deployed: Deployment) -> None:
    """MAAS redirects to its own port, also behind the balancer, which therefore passes that one too."""
    ca = authority(deployed)
    for place in (address(deployed, "lb1"), *(f"{address(deployed, region)}:5240" for region in REGIONS)):
        answer = get(f"http://{place}/MAAS/api/2.0/version/")
        assert answer.status == 301
        assert get(str(answer.headers["Location"]), ca).status == 200
        assert get(f"http://{place}/MAAS/rpc/").status == 200
    seen = status(deployed)
    assert seen.problems == []
    assert [rack.rackd for rack in seen.racks] == ["running", "running"]
    for host in (*RACKS, *REGIONS):
        assert deployed.lab.exec(host, "grep", "-rl", "https:", "/etc/maas", check=False).stdout == ""


def test_the_key_is_where_maas_keeps_it_and_nowhere_else(deployed: Deployment) -> None:
    secret = key(deployed)
    assert secret not in json.dumps(deployed.state())
    for host in deployed.lab.hosts:
        found = {path for path, *_ in files_holding(deployed.lab, host.name, {"key": secret})}
        kept = {"var/lib/maas/http/certs/regiond-proxy-key.pem"} if host.name in REGIONS else set()
        assert {path for path in found if not path.startswith("var/lib/postgresql/")} == kept
        assert secret not in deployed.lab.exec(host.name, "journalctl", "--no-pager", "-o", "cat").stdout


def test_again_changes_nothing(deployed: Deployment) -> None:
    before = starts(deployed), told(deployed)
    output = deployed.up()
    assert re.search(r"Resources:\s+\d+ unchanged", output)
    assert (starts(deployed), told(deployed)) == before


def test_it_is_renewed_by_a_plain_update(deployed: Deployment) -> None:
    """Its last days are brought about by what the state says of its end."""
    before, served = starts(deployed), serials(deployed)
    state = deployed.state()
    resources = cast("list[dict[str, dict[str, object]]]", cast("dict[str, object]", state["deployment"])["resources"])
    (ageing,) = (item for item in resources if name_of(cast("dict[str, object]", item)) == "cluster-maas-certificate")
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=29)
    ageing["outputs"]["validityEndTime"] = soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    file = deployed.folder / "aged.json"
    file.write_text(json.dumps(state))
    deployed.pulumi("stack", "import", "--file", str(file), "--stack", STACK)
    output = deployed.up()
    assert re.search(r"cluster-maas-certificate \S*replac", output)
    renewed = serials(deployed)
    assert len(renewed) == 1
    assert renewed != served
    assert starts(deployed) == before
    assert status(deployed).problems == []
    assert re.search(r"Resources:\s+\d+ unchanged", deployed.up())
    assert serials(deployed) == renewed


def test_another_name_is_another_certificate(deployed: Deployment) -> None:
    before = starts(deployed)
    deployed.edit(lambda cluster: tls(cluster).update(names=["maas.example.com", "maas.example.net"]))
    deployed.up()
    ca = authority(deployed)
    for region in REGIONS:
        assert ("DNS", "maas.example.net") in certificate(address(deployed, region), 5443, ca)["subjectAltName"]
    assert starts(deployed) == before


def test_tls_ends_with_its_lines_in_the_stack_file(deployed: Deployment) -> None:
    before = starts(deployed)
    deployed.edit(without_tls)
    deployed.up()
    balancer = address(deployed, "lb1")
    assert deployed.outputs()["api_url"] == f"http://{balancer}/MAAS"
    for place in (balancer, *(f"{address(deployed, region)}:5240" for region in REGIONS)):
        assert get(f"http://{place}/MAAS/api/2.0/version/").status == 200
    for place in (f"{balancer}:443", f"{balancer}:5443", *(f"{address(deployed, region)}:5443" for region in REGIONS)):
        with pytest.raises(ConnectionRefusedError):
            get(f"https://{place}/MAAS/rpc/")
    assert starts(deployed) == before
    assert status(deployed).problems == []


def test_tls_begins_on_a_running_cluster_at_another_port(deployed: Deployment) -> None:
    before = starts(deployed)
    deployed.edit(with_tls)
    deployed.edit(lambda cluster: tls(cluster).update(port=6443))
    deployed.up()
    ca = authority(deployed)
    for place in (address(deployed, "lb1"), *(f"{address(deployed, region)}:6443" for region in REGIONS)):
        assert get(f"https://{place}/MAAS/api/2.0/version/", ca).status == 200
    assert starts(deployed) == before
    assert status(deployed).problems == []


def test_what_others_did_to_it_is_found_and_put_right(deployed: Deployment) -> None:
    deployed.lab.exec("region2", "maas", "config-tls", "disable")

    def found() -> str:
        return deployed.lab.exec("region1", LAUNCHER, "verify", check=False).stdout

    eventually(lambda: "6443" in found(), "region1 serves no TLS any more")
    deployed.edit(lambda cluster: tls(cluster).update(port=5443))
    deployed.up()
    assert len(serials(deployed)) == 1
    assert found() == ""
