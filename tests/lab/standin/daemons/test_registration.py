"""Racks find regions, authenticate, register (maas-facts §3, §4)."""

import pytest

from .client import Client
from .cluster import Cluster

pytestmark = pytest.mark.lab


def test_a_rack_registers_and_is_running(cluster: Cluster) -> None:
    """§4, §5: connected to all processes means rackd is `running`."""
    region = cluster.started_region("rg1")
    rack = cluster.started_rack("rk1", region)
    shown = cluster.admin(region).racks()["rk1"]
    assert shown["system_id"] == rack.paths.maas_id.read_text()
    assert shown["version"] == "3.4.10-14366-g.518bf2c80"
    rack.logged("rackd", "Fully connected to all 2 event-loops on all 1 region controllers (rg1).")
    assert Client(region.url).get("version/").json["version"] == "3.4.10"
