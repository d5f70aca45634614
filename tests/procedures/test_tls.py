"""TLS by MAAS itself, passed through HAProxy: put in force, renewed and taken away by plain updates.

In order, on one cluster.
"""

from __future__ import annotations

import datetime
import json
import re
import ssl
from collections.abc import Iterator
from typing import cast

import pytest

from agent.paths import LAUNCHER
from tests.engine.deployment import STACK, Cluster, Deployment, name_of, plaintext
from tests.engine.hosts import files_holding, sql
from tests.lab.standin.daemons.polling import eventually
from tests.procedures.over_tls import address, authority, certificate, get, starts, status, tls, told, without_tls
from tests.procedures.scenario import scenario

pytestmark = pytest.mark.lab

REGIONS = ("region1", "region2")
RACKS = ("rack1", "rack2")


def with_tls(cluster: Cluster) -> None:
    cast("dict[str, object]", cluster["maas"])["tls"] = {"names": ["maas.example.com"]}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with scenario(tmp_path_factory.mktemp("tls"), "tls", change=with_tls) as made:
        made.up()
        yield made


def serials(deployment: Deployment) -> set[object]:
    """The serial numbers that the regions serve, each itself and both behind HAProxy."""
    ca = authority(deployment)
    places = [(address(deployment, region), 5443) for region in REGIONS] + [(address(deployment, "lb1"), 443)]
    return {certificate(host, port, ca)["serialNumber"] for host, port in places}


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
    assert status(deployed).problems == []
    last = told(deployed)
    assert re.search(r"Resources:\s+\d+ unchanged", deployed.up())
    assert (serials(deployed), told(deployed)) == (renewed, last)
    assert starts(deployed) == before


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


def test_all_of_it_goes_by_way_of_tls(deployed: Deployment) -> None:
    deployed.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    left = sql(deployed.lab, "SELECT hostname FROM maasserver_node ORDER BY hostname")
    assert left == ["region1"]  # the last region can't be deleted by anybody
