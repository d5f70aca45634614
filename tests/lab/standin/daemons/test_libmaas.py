"""python-libmaas, unchanged, against the stand-in: it builds itself from `describe/`."""

import subprocess
from pathlib import Path

import pytest

from .client import Client
from .cluster import Cluster

pytestmark = pytest.mark.lab

SESSION = Path(__file__).with_name("libmaas_session.py")


def test_libmaas_works_unchanged(cluster: Cluster) -> None:
    """The well-known client reads, creates and updates."""
    region = cluster.started_region("rg1", workers=1)
    rack = cluster.started_rack("rk1", region)
    admin = cluster.admin(region)
    packages = ["--with", "python-libmaas==0.6.8", "--with", "setuptools<81"]
    command = ["uv", "run", "--no-project", "--python", "3.11", "--quiet", *packages, str(SESSION)]
    done = subprocess.run(
        [*command, f"{region.url}/", str(admin.key)], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    system_id = rack.paths.maas_id.read_text()
    prefix = cluster.network.prefix
    assert done.stdout.splitlines() == [
        "version: 3.4.10",
        "whoami: admin",
        f"controllers: rg1 rk1 {system_id}",
        f"subnet: {cluster.network.cidr}",
        f"range: {prefix}.230 1",
        f"vlan: True {system_id}",
        "name: by libmaas",
    ]


def test_describe_names_where_the_client_came_from(cluster: Cluster) -> None:
    """§8: nginx overwrites Host's port away; X-Forwarded-Host has it."""
    region = cluster.started_region("rg1", workers=1)
    headers = {"X-Forwarded-Host": "balancer.example:8080", "X-Forwarded-Proto": "https"}
    answer = Client(region.url).raw("GET", "/MAAS/api/2.0/describe/", headers, None)
    uris = {r["auth"]["uri"] for r in answer.json["resources"]}
    assert all(uri.startswith("https://balancer.example:8080/MAAS/api/2.0/") for uri in uris)
    assert "https://balancer.example:8080/MAAS/api/2.0/fabrics/{fabric_id}/vlans/{vid}/" in uris
